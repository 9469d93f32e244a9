// What this page can do, in the editor's command palette too: whatever has a shortcut, the panels
// of the sidebar, and the entries of the menu.

const editor = document.querySelector("#code-editor");
const ACTS = [
  "[data-shortcut-label]",
  "[role=tab]",
  ".menu-list a",
].map((each) => `.workbench ${each}`).join(", ");

function nameOf(element) {
  const name = element.dataset.shortcutLabel ?? element.textContent.trim().replace(/\s+/g, " ");
  if (element.getAttribute("role") === "tab") return `Show ${name.toLowerCase()}`;
  return element.matches("a:not([hx-get])") ? `Open ${name.toLowerCase()}` : name;
}

function keysOf(element) {
  const keys = element.getAttribute("aria-keyshortcuts")?.split(" ") ?? [];
  return keys.find((each) => each.startsWith("Control+"))?.replace("Control", "Ctrl");
}

// Those with keys are those that people use.
function byKeys(one, other) {
  return Number(Boolean(other.keybinding)) - Number(Boolean(one.keybinding));
}

function act(element) {
  if (element.getAttribute("role") === "tab") {
    document.querySelector("#sidebar").dispatchEvent(new Event("opens"));
  }
  element.click();
  if (element.getAttribute("role") === "tab") element.focus();
}

function offer() {
  const commands = [...document.querySelectorAll(ACTS)].map((element, at) => ({
    id: `page-${at}`,
    label: `Houston: ${nameOf(element)}`,
    keybinding: keysOf(element),
    run: () => act(element),
  }));
  const format = { id: "format", label: "Houston: Format the code", run: () => editor.format() };
  editor.addCommands?.([commands, format].flat().sort(byKeys));
}

if (editor) customElements.whenDefined("code-editor").then(offer);
