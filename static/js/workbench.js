// The editor page: where the cursor is, how many problems there are, lines that can be clicked,
// and which panel shows the answer that came.

const editor = document.querySelector("#code-editor");
const payload = document.querySelector("#payload-editor");
const area = document.querySelector("#code");

function openTab(name) {
  document.querySelector("#sidebar").dispatchEvent(new Event("opens"));
  document.querySelector(`#tab-${name}`).click();
}

function showCursor(line, column) {
  document.querySelector("#cursor").textContent = `Line ${line}, column ${column}`;
}

function reveal(place) {
  const [line, column] = place.split(":").map(Number);
  if (editor.reveal) return editor.reveal(line, column || 1);
  const lines = area.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(start + (column || 1) - 1, start + (lines[line - 1] ?? "").length);
}

editor.addEventListener("cursor", (event) => showCursor(event.detail.line, event.detail.column));
editor.addEventListener("problems", (event) => {
  const { count } = event.detail;
  document.querySelector("#problems").textContent = count
    ? `${count} problem${count === 1 ? "" : "s"}`
    : "No problems";
});
area.addEventListener("selectionchange", () => {
  const before = area.value.slice(0, area.selectionStart).split("\n");
  showCursor(before.length, before.at(-1).length + 1);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-reveal]");
  if (link) reveal(link.dataset.reveal);
  const reset = event.target.closest?.("[data-resets]");
  if (!reset) return;
  const text = document.querySelector(reset.dataset.from).content.textContent;
  document.querySelector(reset.dataset.resets).value = text;
  if ("value" in payload) payload.value = text;
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr } = event.detail;
  if (!elt.closest?.(".workbench") || !elt.hasAttribute("hx-post")) return;
  if (elt.id === "save-button" && xhr.status === 200) {
    document.dispatchEvent(new Event("draft-saved"));
  } else if (xhr.status === 200) {
    openTab("result");
  } else if (xhr.status === 422) {
    const wrong = ["payload", "environment", "description"].find(
      (name) => document.querySelector(`#error-${name}`).textContent.trim(),
    );
    if (wrong) openTab(wrong === "payload" ? "payload" : "settings");
  }
});

// A conflict is an answer to read, in place of the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status !== 409) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

const place = /^#line-(\d+:\d+)$/.exec(location.hash);
const built = document.querySelector("#editor-script");
const ready = built ? customElements.whenDefined("code-editor") : Promise.resolve();
// The editor takes a moment to lay out what it is to scroll to.
if (place) ready.then(() => setTimeout(() => reveal(place[1]), 300));
