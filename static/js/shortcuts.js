// Keys click what carries them. `aria-keyshortcuts` on the real control is the registry;
// `data-sequence="g f"` is for two keys one after the other. `?` lists both, by where they stand.

const LONGEST_PAUSE_MS = 900;
// Who dictates, or whose hand slips, can do without keys that act by themselves.
const SINGLE = "houston.single-keys";
const isMac = navigator.platform.startsWith("Mac");
// Held down before a key, it is none by itself and does not come between two.
const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph"]);
let first = "";
let firstAt = 0;

function pressed(event) {
  const parts = [];
  if (event.ctrlKey) parts.push("control");
  if (event.metaKey) parts.push("meta");
  if (event.altKey) parts.push("alt");
  // With a character such as "?" shift is part of the character itself.
  if (event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key))) parts.push("shift");
  parts.push(event.key.toLowerCase());
  return parts.join("+");
}

function isTyping(target) {
  // The code editor takes keys with an element that looks like no field at all.
  const fields = "input, textarea, select, [contenteditable], code-editor";
  return target instanceof Element && target.closest(fields);
}

function visible(selector, matches) {
  return [...document.querySelectorAll(selector)].find(
    (element) =>
      matches(element) && element.checkVisibility?.({ visibilityProperty: true }) !== false,
  );
}

function act(element) {
  if (element.matches("input, textarea, select")) element.focus();
  else element.click();
}

function find(event) {
  const keys = pressed(event);
  const open = document.querySelector("dialog[open]");
  const alone = !event.ctrlKey && !event.metaKey;
  if (alone && localStorage.getItem(SINGLE) === "off") return null;
  if ((isTyping(event.target) && alone) || open) return null;
  const sequence = event.timeStamp - firstAt < LONGEST_PAUSE_MS ? `${first} ${keys}` : "";
  first = keys;
  firstAt = event.timeStamp;
  // The second key of two may mean something else alone.
  const second = sequence &&
    visible("[data-sequence]", (element) => element.dataset.sequence === sequence);
  return second || visible(
    "[aria-keyshortcuts]",
    (element) => element.getAttribute("aria-keyshortcuts").toLowerCase().split(" ").includes(keys),
  );
}

function label(element) {
  const text = element.getAttribute("aria-label") || element.title || element.textContent;
  return text.trim().replace(/\s+/g, " ");
}

function chord(keys) {
  const names = { control: "Ctrl", meta: "⌘", shift: isMac ? "⇧" : "Shift", enter: "Enter" };
  if (keys.length === 1) return keys;
  const parts = keys.toLowerCase().split("+");
  return parts.map((part) => names[part] ?? part.toUpperCase()).join(isMac ? "" : "+");
}

function own(element) {
  const all = element.getAttribute("aria-keyshortcuts").split(" ");
  return all.find((keys) => keys.startsWith("Meta") === isMac) ?? all[0];
}

// Where a control stands says what its keys are for.
function group(element) {
  if (element.closest(".nav")) return "Go to";
  return element.closest(".topbar") ? "Everywhere" : "On this page";
}

function keysOf(element) {
  return element.dataset.sequence?.split(" ") ?? [chord(own(element))];
}

function describe(element) {
  const term = document.createElement("dt");
  const value = document.createElement("dd");
  const named = element.querySelector("[data-label]") ?? element;
  term.textContent = element.dataset.shortcutLabel || label(named);
  value.append(
    ...keysOf(element).flatMap((keys, at) => {
      const key = document.createElement("kbd");
      key.textContent = keys;
      return at ? [" then ", key] : [key];
    }),
  );
  return [term, value];
}

function list() {
  const dialog = document.querySelector("#shortcuts");
  const groups = new Map([["On this page", []], ["Go to", []], ["Everywhere", []]]);
  for (const element of document.querySelectorAll("[aria-keyshortcuts], [data-sequence]")) {
    // What is out of sight, in a panel that is closed, does nothing now.
    if (element.checkVisibility?.({ visibilityProperty: true }) === false) continue;
    groups.get(group(element)).push(element);
  }
  const parts = [...groups].filter(([, elements]) => elements.length).map(([name, elements]) => {
    const part = document.createElement("section");
    const heading = document.createElement("h3");
    const keys = document.createElement("dl");
    heading.textContent = name;
    keys.append(...elements.flatMap(describe));
    part.append(heading, keys);
    return part;
  });
  dialog.querySelector(".shortcut-groups").replaceChildren(...parts);
  dialog.showModal();
}

// In the capture phase, because the code editor would otherwise take Ctrl+Enter for itself.
document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.repeat || MODIFIERS.has(event.key)) return;
  const element = find(event);
  if (!element) return;
  event.preventDefault();
  event.stopPropagation();
  act(element);
}, { capture: true });

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-shows-shortcuts]")) list();
});

const single = document.querySelector("#single-keys");
if (single) {
  single.checked = localStorage.getItem(SINGLE) !== "off";
  single.addEventListener("change", () => {
    localStorage.setItem(SINGLE, single.checked ? "on" : "off");
  });
}

// Hints are written for other keyboards; on a Mac they show its own keys.
if (isMac) {
  for (const hint of document.querySelectorAll("[aria-keyshortcuts] kbd")) {
    hint.textContent = chord(own(hint.closest("[aria-keyshortcuts]")));
  }
}
