// Lists with rows to select and to sort. In a .selectable, [data-selects-all] ticks all rows that are
// shown, a click with Shift all up to the one before, and [data-selected-count] says how many.

const boxesOf = (list) => [...list.querySelectorAll("tbody input[type='checkbox']:enabled")];
let last = null;

function tell(list) {
  const boxes = boxesOf(list);
  const count = boxes.filter((box) => box.checked).length;
  const all = list.querySelector("[data-selects-all]");
  if (all) {
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
  for (const place of list.querySelectorAll("[data-selected-count]")) place.textContent = count;
}

document.addEventListener("click", (event) => {
  const box = event.target;
  const list = box.closest?.(".selectable");
  if (!list || box.type !== "checkbox") return;
  const boxes = boxesOf(list);
  if (box.matches("[data-selects-all]")) {
    for (const each of boxes) each.checked = box.checked;
  } else if (event.shiftKey && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
  tell(list);
});

// Who types and then sorts at once: the filter that is still to be sent knows the new order.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-sort]");
  if (link) document.querySelector("input[name='sort'][form]").value = link.dataset.sort;
}, { capture: true });

// The boxes are put back after the event.
document.addEventListener("reset", () => setTimeout(tellAll));
addEventListener("pageshow", tellAll);

function tellAll() {
  for (const list of document.querySelectorAll(".selectable")) tell(list);
}
