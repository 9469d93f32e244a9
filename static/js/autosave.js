// Unsaved work survives: kept on this device for each function, offered again after a reload,
// and leaving the page asks first. A draft of an older version is offered too; saving it then
// meets the newer version and shows both.

const KEEP_AFTER_MS = 400;
const OLDEST_MS = 14 * 24 * 3600 * 1000;
const key = (id) => `houston.draft.${id}`;

function read(id) {
  try {
    const kept = JSON.parse(localStorage.getItem(key(id)));
    return kept && Date.now() - kept.at < OLDEST_MS ? kept : null;
  } catch {
    return null;
  }
}

function setUp(form) {
  const id = form.dataset.draft;
  const dirtyNote = document.querySelector("#dirty");
  const offer = document.querySelector("#unsaved");
  const code = form.querySelector("code-editor [name=code]") ?? form.elements.code;
  if (code.readOnly) return;
  const fields = () => ({
    code: code.value,
    description: form.elements.description.value,
    names: [...form.querySelectorAll("[name=variable_name]")].map((input) => input.value),
    values: [...form.querySelectorAll("[name=variable_value]")].map((input) => input.value),
  });
  // Empty rows say nothing, and the last one comes and goes.
  const print = (state) =>
    JSON.stringify([
      state.code.replaceAll("\r\n", "\n"),
      state.description,
      state.names.map((name, at) => [name, state.values[at]]).filter((pair) => pair[0] || pair[1]),
    ]);
  // A form that comes back refused holds what was typed, not what is saved.
  let saved = form.hasAttribute("data-unsaved") ? "" : print(fields());
  let dirty = print(fields()) !== saved;
  let leaving = false;
  let timer = 0;

  const show = () => {
    dirtyNote.hidden = !dirty;
    const label = form.querySelector("[data-dirty-label]");
    if (!label) return;
    label.dataset.cleanLabel ??= label.textContent;
    label.textContent = dirty ? label.dataset.dirtyLabel : label.dataset.cleanLabel;
  };

  const keep = () => {
    if (!dirty) return localStorage.removeItem(key(id));
    const kept = { ...fields(), version: form.elements.version.value, at: Date.now() };
    try {
      localStorage.setItem(key(id), JSON.stringify(kept));
    } catch {
      // Storage is full or closed to pages; leaving the page still asks.
    }
  };

  const changed = () => {
    dirty = print(fields()) !== saved;
    show();
    clearTimeout(timer);
    timer = setTimeout(keep, KEEP_AFTER_MS);
  };

  const forget = () => {
    clearTimeout(timer);
    localStorage.removeItem(key(id));
    offer.hidden = true;
  };

  const kept = read(id);
  if (kept && print(kept) !== print(fields())) {
    const time = offer.querySelector("time");
    const at = new Date(kept.at);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today
      ? at.toLocaleTimeString([], { timeStyle: "short" })
      : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    time.dateTime = at.toISOString();
    offer.hidden = false;
  } else if (kept && !dirty) {
    forget();
  }

  offer.querySelector("[data-restores]").addEventListener("click", () => {
    const editor = form.querySelector("#code-editor");
    form.elements.version.value = kept.version;
    code.value = kept.code;
    if (editor && "value" in editor) editor.value = kept.code;
    form.elements.description.value = kept.description;
    form.dispatchEvent(new CustomEvent("variables", { detail: kept }));
    offer.hidden = true;
    changed();
  });
  offer.querySelector("[data-discards]").addEventListener("click", forget);

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  // Sent as a whole page: what comes back shows it again if it was refused.
  form.addEventListener("submit", () => {
    keep();
    leaving = true;
  });
  let sent = "";
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "save-button") sent = print(fields());
  });
  // The answer to a save brings the new version; what was typed since stays unsaved.
  document.addEventListener("draft-saved", () => {
    saved = sent;
    forget();
    changed();
  });
  addEventListener("beforeunload", (event) => {
    if (dirty && !leaving && form.isConnected) event.preventDefault();
    if (dirty) keep();
  });
  addEventListener("pageshow", () => {
    leaving = false;
  });
  show();
}

document.querySelectorAll("form[data-draft]").forEach(setUp);

document.addEventListener("submit", (event) => {
  const id = event.target.dataset?.forgetsDraft;
  if (id) localStorage.removeItem(key(id));
});
