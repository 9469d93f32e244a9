// A tree as WAI-ARIA has it: arrow keys, Home and End, letters. Choosing a value copies the path in
// its data-path, with Shift it is written where the editor's cursor is ("inserts" event). What the
// field means is told in #field-doc: of the one that is pointed at, else of the one chosen last.

const items = (tree) => [...tree.querySelectorAll("[role=treeitem]")];
const shown = (tree) =>
  items(tree).filter((item) =>
    !item.hidden && !item.parentElement.closest("[aria-expanded=false]")
  );
const isBranch = (item) => item.hasAttribute("aria-expanded");

function toggle(item, open = item.getAttribute("aria-expanded") !== "true") {
  if (isBranch(item)) item.setAttribute("aria-expanded", String(open));
}

function focus(tree, item) {
  if (!item) return;
  items(tree).forEach((each) => each.tabIndex = each === item ? 0 : -1);
  item.focus();
}

const doc = document.querySelector("#field-doc");
let told = null;

function explain(item) {
  if (!doc) return;
  const { path, about, kind, values } = item.dataset;
  const said = values ? `${about}. One of ${values}` : about;
  doc.querySelector("[data-path]").textContent = path;
  doc.querySelector("[data-type]").textContent = kind ?? "";
  doc.querySelector("[data-doc]").textContent = said ?? "Not described: not part of the event";
  doc.querySelector("[data-hint]").hidden = true;
  doc.lastElementChild.hidden = false;
}

const itemOf = (event) => event.target.closest?.("[role=tree] [role=treeitem]");

document.addEventListener("focusin", (event) => {
  const item = itemOf(event);
  if (!item) return;
  told = item;
  explain(item);
});
document.addEventListener("pointerover", (event) => {
  const item = event.pointerType === "mouse" && itemOf(event);
  if (item) explain(item);
  else if (told) explain(told);
});
doc?.addEventListener("click", (event) => {
  if (!told) return;
  if (event.target.closest("[data-copies-path]")) copy(told);
  if (event.target.closest("[data-inserts-path]")) choose(told, true);
});

async function copy(item) {
  const { path } = item.dataset;
  const status = document.querySelector("#run-said");
  try {
    await navigator.clipboard.writeText(path);
    if (status) status.textContent = `Copied ${path}`;
  } catch {
    getSelection().selectAllChildren(item.querySelector(".key"));
    return;
  }
  const node = item.querySelector(".node");
  node.dataset.said = `Copied ${path}`;
  setTimeout(() => delete node.dataset.said, 1600);
}

function choose(item, writes) {
  if (!writes) return copy(item);
  const detail = { text: item.dataset.path };
  document.dispatchEvent(new CustomEvent("inserts", { detail }));
}

document.addEventListener("click", (event) => {
  const item = itemOf(event);
  if (!item || getSelection().type === "Range") return;
  const tree = item.closest("[role=tree]");
  focus(tree, item);
  // The row of a branch opens it; its name is a path like any other.
  if (isBranch(item) && !event.target.closest(".key")) return toggle(item);
  choose(item, event.shiftKey);
});

document.addEventListener("keydown", (event) => {
  const item = itemOf(event);
  if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
  const tree = item.closest("[role=tree]");
  const all = shown(tree);
  const at = all.indexOf(item);
  const open = item.getAttribute("aria-expanded") === "true";
  switch (event.key) {
    case "ArrowDown":
      focus(tree, all[at + 1]);
      break;
    case "ArrowUp":
      focus(tree, all[at - 1]);
      break;
    case "ArrowRight":
      if (open) focus(tree, all[at + 1]);
      else toggle(item, true);
      break;
    case "ArrowLeft":
      if (open) toggle(item, false);
      else focus(tree, item.parentElement.closest("[role=treeitem]"));
      break;
    case "Home":
      focus(tree, all[0]);
      break;
    case "End":
      focus(tree, all.at(-1));
      break;
    case "Enter":
    case " ":
      choose(item, event.shiftKey);
      break;
    default: {
      if (event.key.length !== 1 || /[0-9?/]/.test(event.key)) return;
      const start = event.key.toLowerCase();
      const later = [...all.slice(at + 1), ...all.slice(0, at)];
      const found = later.find((each) =>
        each.querySelector(".key").textContent.toLowerCase().startsWith(start)
      );
      if (!found) return;
      focus(tree, found);
    }
  }
  event.preventDefault();
  event.stopPropagation();
}, { capture: true });

document.addEventListener("input", (event) => {
  if (!event.target.matches?.("[data-filters-tree]")) return;
  const wish = event.target.value.trim().toLowerCase();
  for (const tree of document.querySelectorAll("[data-tree]")) {
    const all = items(tree);
    const words = ({ path, about = "" }) => `${path} ${about}`.toLowerCase();
    const found = (item) => words(item.dataset).includes(wish);
    for (const item of all) {
      const inside = [...item.querySelectorAll("[role=treeitem]")];
      item.hidden = wish !== "" && !found(item) && !inside.some(found);
      if (wish && inside.some(found)) toggle(item, true);
    }
    document.querySelector("#tree-no-match").hidden = all.some((item) => !item.hidden);
  }
});

function enter(root) {
  for (const tree of root.querySelectorAll("[data-tree]")) {
    const first = tree.querySelector("[role=treeitem]");
    if (first) first.tabIndex = 0;
  }
}
enter(document);
document.addEventListener("htmx:oobAfterSwap", (event) => {
  enter(event.detail.target.parentElement ?? document);
  const filter = document.querySelector("[data-filters-tree]");
  if (filter?.value) filter.dispatchEvent(new Event("input", { bubbles: true }));
});
