// Unsaved work survives: kept in this browser for each function and each tab of it, put back after
// a reload, and leaving the page asks first. What a tab left behind that is no longer open is put
// back too. Work on an older version is put back as such: saving it meets the newer version and
// shows both.

// As times are written everywhere in the console: 2026-11-29 16:05.
const WRITTEN = "sv-SE";

const KEEP_AFTER_MS = 400;
const OLDEST_MS = 14 * 24 * 3600 * 1000;
const PREFIX = "houston.draft.";

// Storage may be full, or closed to pages altogether.
const storage = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value);
      return true;
    } catch {
      return false;
    }
  },
  remove(key) {
    try {
      localStorage.removeItem(key);
    } catch {
      // Then there is nothing kept either.
    }
  },
  keys() {
    try {
      return Object.keys(localStorage);
    } catch {
      return [];
    }
  },
};

function tabName() {
  try {
    return sessionStorage.getItem("houston:tab");
  } catch {
    return null;
  }
}

const makeId = () => Math.random().toString(36).slice(2, 10);

// A tab has a name of its own, which its reloads keep. A tab that was duplicated has its twin's:
// who finds the name locked takes another.
async function nameTab(id) {
  let tab = makeId();
  try {
    tab = tabName() ?? tab;
    sessionStorage.setItem("houston:tab", tab);
  } catch {
    return { tab, open: new Set() };
  }
  if (!navigator.locks) return { tab, open: new Set() };
  const hold = (name) =>
    new Promise((resolve) => {
      navigator.locks.request(`${PREFIX}${id}.${name}`, { ifAvailable: true }, (lock) => {
        resolve(Boolean(lock));
        // Held until the page goes.
        return lock ? new Promise(() => {}) : null;
      });
    });
  // The page before in this tab may be about to go; a tab that was doubled stays.
  let mine = await hold(tab);
  for (let tries = 0; !mine && tries < 10; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    mine = await hold(tab);
  }
  if (!mine) {
    tab = makeId();
    sessionStorage.setItem("houston:tab", tab);
    await hold(tab);
  }
  const { held } = await navigator.locks.query();
  return { tab, open: new Set(held.map((lock) => lock.name)) };
}

function read(key) {
  try {
    const kept = JSON.parse(storage.get(key));
    return kept && Date.now() - kept.at < OLDEST_MS && typeof kept.code === "string" ? kept : null;
  } catch {
    return null;
  }
}

// Empty rows say nothing, and the last one comes and goes.
const print = (state) =>
  JSON.stringify([
    state.code.replaceAll("\r\n", "\n"),
    state.description,
    state.names.map((name, at) => [name, state.values[at]]).filter((pair) => pair[0] || pair[1]),
  ]);

const fieldsOf = (form) => ({
  code: (form.querySelector("textarea[name=code]") ?? form.elements.code).value,
  description: form.elements.description.value,
  names: [...form.querySelectorAll("[name=variable_name]")].map((input) => input.value),
  values: [...form.querySelectorAll("[name=variable_value]")].map((input) => input.value),
});

// This tab's own work, else the newest that a tab left which is no longer open.
function findKept(id, own, open) {
  const left = storage.keys()
    .filter((key) => key.startsWith(`${PREFIX}${id}.`) && key !== own && !open.has(key))
    .map((key) => ({ key, kept: read(key) }));
  for (const { key, kept } of left) if (!kept) storage.remove(key);
  const mine = read(own);
  if (mine) return { key: own, kept: mine };
  return left.filter(({ kept }) => kept).sort((a, b) => b.kept.at - a.kept.at)[0];
}

async function setUp(form) {
  const id = form.dataset.draft;
  const dirtyNote = document.querySelector("#dirty");
  const offer = document.querySelector("#unsaved");
  if (form.elements.code.readOnly) return;
  const fields = () => fieldsOf(form);
  const clean = print(fields());
  // A form that comes back refused holds what was typed, not what is saved.
  let saved = form.hasAttribute("data-unsaved") ? "" : clean;
  const asSaved = fields();
  const { tab, open } = await nameTab(id);
  const own = `${PREFIX}${id}.${tab}`;
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
    clearTimeout(timer);
    // The page that brings two changes together takes this form's place and keeps its own text.
    if (!form.isConnected) return;
    if (!dirty) return storage.remove(own);
    const kept = { ...fields(), version: form.elements.version.value, at: Date.now() };
    document.querySelector("#storage-full").hidden = storage.set(own, JSON.stringify(kept));
  };

  const changed = () => {
    dirty = print(fields()) !== saved;
    show();
    clearTimeout(timer);
    timer = setTimeout(keep, KEEP_AFTER_MS);
  };

  const fill = (state) => {
    const editor = form.querySelector("#code-editor");
    form.elements.code.value = state.code;
    if (editor && "value" in editor) editor.value = state.code;
    form.elements.description.value = state.description;
    form.dispatchEvent(new CustomEvent("variables", { detail: state }));
  };

  const put = (kept) => {
    const at = new Date(kept.at);
    const time = offer.querySelector("time");
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today
      ? at.toLocaleTimeString(WRITTEN, { timeStyle: "short" })
      : at.toLocaleString(WRITTEN, { dateStyle: "short", timeStyle: "short" });
    time.dateTime = at.toISOString();
    offer.querySelector("[data-newer]").hidden = kept.version === form.elements.version.value;
    form.elements.version.value = kept.version;
    fill(kept);
    offer.hidden = false;
    changed();
  };

  const found = findKept(id, own, open);
  if (found && print(found.kept) !== print(fields())) {
    put(found.kept);
    if (found.key !== own) {
      keep();
      storage.remove(found.key);
    }
  } else if (found) {
    storage.remove(found.key);
  }

  offer.querySelector("[data-keeps]").addEventListener("click", () => {
    offer.hidden = true;
  });
  offer.querySelector("[data-discards]").addEventListener("click", () => {
    form.elements.version.value = form.elements.version.defaultValue;
    fill(asSaved);
    offer.hidden = true;
    changed();
    clearTimeout(timer);
    storage.remove(own);
  });
  offer.querySelector("[data-compares]").addEventListener("click", () => {
    const dialog = document.querySelector("#compare-template").content.cloneNode(true)
      .querySelector("dialog");
    dialog.querySelector("[data-side=original]").value = asSaved.code;
    dialog.querySelector("[data-side=modified]").value = fields().code;
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
  });

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  // Sent as a whole page: what comes back shows it again if it was refused.
  form.addEventListener("submit", () => {
    keep();
    leaving = true;
  });
  let sent = "";
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id !== "save-button") return;
    sent = print(fields());
    keep();
  });
  // What was typed while the answer was on its way.
  document.addEventListener("htmx:beforeSwap", keep);
  // The answer to a save brings the new version; what was typed since stays unsaved.
  document.addEventListener("draft-saved", () => {
    saved = sent;
    Object.assign(asSaved, fields());
    clearTimeout(timer);
    storage.remove(own);
    offer.hidden = true;
    changed();
  });
  addEventListener("beforeunload", (event) => {
    if (dirty && !leaving && form.isConnected) event.preventDefault();
    if (dirty) keep();
  });
  // A browser may end a page that is out of sight without asking it.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && dirty) keep();
  });
  addEventListener("pageshow", () => {
    leaving = false;
  });
  show();
}

// Two changes are brought together on a page of their own: what is typed there is kept as well.
function keepMerge(form) {
  const own = `${PREFIX}${form.dataset.merges}.${tabName() ?? "merge"}`;
  const keep = () => {
    const kept = { ...fieldsOf(form), version: form.elements.version.value, at: Date.now() };
    storage.set(own, JSON.stringify(kept));
  };
  form.addEventListener("input", keep);
  form.addEventListener("submit", keep);
}

document.querySelectorAll("form[data-draft]").forEach(setUp);
document.querySelectorAll("form[data-merges]").forEach(keepMerge);
document.addEventListener("htmx:afterSwap", (event) => {
  event.detail.target.querySelectorAll("form[data-merges]").forEach(keepMerge);
});

document.addEventListener("submit", (event) => {
  const id = event.target.dataset?.forgetsDraft;
  if (id) storage.remove(`${PREFIX}${id}.${tabName() ?? "merge"}`);
});
