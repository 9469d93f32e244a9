// The editor page: where the cursor is, lines that can be clicked, and which panel shows the answer
// that came.

// As times are written everywhere in the console: 2026-11-29 16:05.
const WRITTEN = "sv-SE";

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

showCursor(1, 1);
editor.addEventListener("cursor", (event) => showCursor(event.detail.line, event.detail.column));
area.addEventListener("selectionchange", () => {
  // The editor writes into it too.
  if (area.hidden) return;
  const before = area.value.slice(0, area.selectionStart).split("\n");
  showCursor(before.length, before.at(-1).length + 1);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-reveal]");
  if (link) reveal(link.dataset.reveal);
  if (event.target.closest?.("[data-copies-code]")) navigator.clipboard?.writeText(area.value);
});

// What the event's schema says against the payload; it runs all the same.
const against = document.querySelector("#payload-problem");
payload.addEventListener("problems", () => {
  const [first, ...more] = payload.problems;
  against.hidden = !first;
  if (!first) return;
  const rest = more.length ? ` (and ${more.length} more)` : "";
  against.textContent = `Line ${first.line}: ${first.message.replace(/\.$/, "")}${rest}`;
  against.onclick = () => payload.reveal(first.line, first.column);
});

function showPayload(text) {
  document.querySelector("#payload-text").value = text;
  if ("value" in payload) payload.value = text;
}

// What the tree offers, written where the cursor is.
document.addEventListener("inserts", (event) => {
  if (area.readOnly) return;
  const { text } = event.detail;
  if (editor.insert) return editor.insert(text);
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("htmx:afterSwap", () => {
  const chosen = document.querySelector("template[data-payload]");
  if (!chosen) return;
  showPayload(chosen.content.textContent);
  chosen.remove();
});

// An older version beside what stands here.
document.addEventListener("htmx:afterSwap", (event) => {
  const beside = event.detail.target.querySelector?.("code-diff[data-beside]");
  if (!beside) return;
  if ("value" in beside) beside.value = area.value;
  else beside.querySelector("[data-side=modified]").value = area.value;
});

// Test runs: how long one takes, what came of it in a word, and those before it to compare with.
const MOST_RUNS = 10;
const TICK_MS = 100;
let startedAt = 0;
let clock = 0;

function isTest(element) {
  return element.hasAttribute?.("data-tests");
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const button = event.detail.elt;
  if (!isTest(button)) return;
  startedAt = performance.now();
  const time = document.querySelector("#run-time");
  const cancel = document.querySelector("#run-cancel");
  const progress = document.querySelector("#run-progress");
  openTab("test");
  document.querySelector("#result-body").setAttribute("aria-busy", "true");
  clock = setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1000;
    if (seconds < 0.2) return;
    time.textContent = `${seconds.toFixed(1)} s of at most ${progress.max} s`;
    progress.value = seconds;
    progress.hidden = cancel.hidden = false;
  }, TICK_MS);
  cancel.onclick = () => {
    button.dispatchEvent(new Event("htmx:abort"));
    document.querySelector("#run-said").textContent = "Cancelled";
  };
});

function stopClock() {
  clearInterval(clock);
  document.querySelector("#run-time").textContent = "";
  for (const id of ["run-cancel", "run-progress"]) document.querySelector(`#${id}`).hidden = true;
  document.querySelector("#result-body").removeAttribute("aria-busy");
}

function keepRun() {
  const body = document.querySelector("#result-body");
  const before = body.querySelector("[data-run]");
  if (!before) return;
  const list = document.querySelector("#earlier-runs");
  const entry = document.createElement("li");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = `${body.dataset.at}: ${before.dataset.run}`;
  const copy = before.cloneNode(true);
  copy.removeAttribute("data-run");
  copy.querySelectorAll("[data-copy]").forEach((button) => button.remove());
  copy.querySelectorAll("[id]").forEach((each) => each.removeAttribute("id"));
  details.append(summary, copy);
  entry.append(details);
  list.append(list.querySelector("ol") ?? document.createElement("ol"));
  list.querySelector("ol").prepend(entry);
  list.querySelectorAll("ol > li").forEach((each, at) => at >= MOST_RUNS && each.remove());
  list.hidden = false;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "result-body" && event.detail.shouldSwap) keepRun();
});
document.addEventListener("htmx:afterSwap", (event) => {
  const body = event.detail.target;
  if (body.id !== "result-body") return;
  body.dataset.at = new Date().toLocaleTimeString(WRITTEN, { timeStyle: "medium" });
  document.querySelector("#run-said").textContent = body.querySelector("[data-run]")?.dataset.run ??
    "";
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr } = event.detail;
  if (isTest(elt)) stopClock();
  if (!elt.closest?.(".workbench") || !elt.hasAttribute("hx-post")) return;
  const isSave = elt.id === "save-button";
  if ((isSave || isTest(elt)) && xhr.status === 404) document.querySelector("#gone").hidden = false;
  if (xhr.getResponseHeader("HX-Redirect") !== null) return;
  if (isSave && xhr.status === 200) {
    document.dispatchEvent(new Event("draft-saved"));
  } else if (xhr.status === 200 && isTest(elt)) {
    openTab("test");
    // Under the code where there is no room beside it.
    if (matchMedia("(max-width: 900px)").matches) {
      document.querySelector("#result-body").scrollIntoView({ block: "center" });
    }
  } else if (xhr.status === 422) {
    const wrong = ["payload", "environment", "description"].find(
      (name) => document.querySelector(`#error-${name}`).textContent.trim(),
    );
    if (wrong) openTab(wrong === "payload" ? "test" : "settings");
  }
});

// A session that has ended must not take the page away with what was typed in it. Once somebody has
// signed in elsewhere, this page takes over the token that belongs to the new session.
const signedOut = document.querySelector("#signed-out");

document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, xhr } = event.detail;
  if (!elt.closest?.(".workbench") || xhr.getResponseHeader("HX-Redirect") === null) return;
  if (!signedOut) return;
  event.preventDefault();
  signedOut.hidden = false;
});

async function takeToken() {
  if (!signedOut || signedOut.hidden) return;
  const answer = await fetch(location.pathname).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const token = page.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (!token) return;
  for (const input of document.querySelectorAll("[name=csrfmiddlewaretoken]")) input.value = token;
  document.body.setAttribute("hx-headers", JSON.stringify({ "x-csrftoken": token }));
  signedOut.hidden = true;
}

addEventListener("focus", takeToken);
document.addEventListener("visibilitychange", () => document.hidden || takeToken());

// Times are those of the clock on the wall where they can be.
function showClocks() {
  for (const time of document.querySelectorAll("time[data-clock]")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today
      ? at.toLocaleTimeString(WRITTEN, { timeStyle: "short" })
      : at.toLocaleString(WRITTEN, { dateStyle: "short", timeStyle: "short" });
    time.title = at.toLocaleString(WRITTEN);
    delete time.dataset.clock;
  }
}

showClocks();
document.addEventListener("htmx:oobAfterSwap", showClocks);

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
