// Two changes side by side: the right one can be filled with either of them, and is edited by hand.

function setUp(root) {
  const diff = root.querySelector("#merge");
  if (!diff) return;
  const area = diff.querySelector("[data-side=modified]");
  for (const button of root.querySelectorAll("[data-fills-from]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const text = root.querySelector(button.dataset.fillsFrom).content.textContent;
      if ("value" in diff) diff.value = text;
      else area.value = text;
      area.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
}

setUp(document);
document.addEventListener("htmx:afterSwap", (event) => setUp(event.detail.target));
