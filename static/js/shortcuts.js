// Keys click what carries them. `aria-keyshortcuts` on the real control is the registry;
// `data-sequence="g f"` is for two keys one after the other. `?` lists both.

const LONGEST_PAUSE_MS = 900;
const isMac = navigator.platform.startsWith("Mac");
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
  if ((isTyping(event.target) && !event.ctrlKey && !event.metaKey) || open) return null;
  const direct = visible(
    "[aria-keyshortcuts]",
    (element) => element.getAttribute("aria-keyshortcuts").toLowerCase().split(" ").includes(keys),
  );
  if (direct) return direct;
  const sequence = event.timeStamp - firstAt < LONGEST_PAUSE_MS ? `${first} ${keys}` : "";
  first = keys;
  firstAt = event.timeStamp;
  return sequence
    ? visible("[data-sequence]", (element) => element.dataset.sequence === sequence)
    : null;
}

function label(element) {
  const text = element.getAttribute("aria-label") || element.title || element.textContent;
  return text.trim().replace(/\s+/g, " ");
}

function chord(keys) {
  const names = { control: "Ctrl", meta: "⌘", shift: isMac ? "⇧" : "Shift", enter: "Enter" };
  const parts = keys.toLowerCase().split("+");
  return parts.map((part) => names[part] ?? part.toUpperCase()).join(isMac ? "" : "+");
}

function own(element) {
  const all = element.getAttribute("aria-keyshortcuts").split(" ");
  return all.find((keys) => keys.startsWith("Meta") === isMac) ?? all[0];
}

function list() {
  const dialog = document.querySelector("#shortcuts");
  const rows = [];
  for (const element of document.querySelectorAll("[aria-keyshortcuts], [data-sequence]")) {
    const keys = element.dataset.sequence?.toUpperCase() ?? chord(own(element));
    rows.push([
      element.dataset.shortcutLabel || label(element.querySelector("[data-label]") ?? element),
      keys,
    ]);
  }
  dialog.querySelector("dl").replaceChildren(...rows.flatMap(([name, keys]) => {
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    const key = document.createElement("kbd");
    key.textContent = keys;
    value.append(key);
    term.textContent = name;
    return [term, value];
  }));
  dialog.showModal();
}

// In the capture phase, because the code editor would otherwise take Ctrl+Enter for itself.
document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.repeat) return;
  const element = find(event);
  if (!element) return;
  event.preventDefault();
  event.stopPropagation();
  act(element);
}, { capture: true });

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-shows-shortcuts]")) list();
});

// Hints are written for other keyboards; on a Mac they show its own keys.
if (isMac) {
  for (const hint of document.querySelectorAll("[aria-keyshortcuts] kbd")) {
    hint.textContent = chord(own(hint.closest("[aria-keyshortcuts]")));
  }
}
