// A tree as WAI-ARIA has it: arrow keys, Home and End, letters. Choosing a value copies the path in
// its data-path, with Shift it is written where the editor's cursor is ("inserts" event).

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
  const item = event.target.closest?.("[role=tree] [role=treeitem]");
  if (!item || getSelection().type === "Range") return;
  const tree = item.closest("[role=tree]");
  focus(tree, item);
  // The row of a branch opens it; its name is a path like any other.
  if (isBranch(item) && !event.target.closest(".key")) return toggle(item);
  choose(item, event.shiftKey);
});

document.addEventListener("keydown", (event) => {
  const item = event.target.closest?.("[role=tree] [role=treeitem]");
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
    const found = (item) => item.dataset.path.toLowerCase().includes(wish);
    for (const item of all) {
      const inside = [...item.querySelectorAll("[role=treeitem]")];
      item.hidden = wish !== "" && !found(item) && !inside.some(found);
      if (wish && inside.some(found)) toggle(item, true);
    }
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
