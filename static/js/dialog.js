// What arrives in #dialog-slot opens as a dialog; without JavaScript the same link is a page. A form
// in it whose answer goes elsewhere is done with.

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "dialog-slot") {
    event.detail.requestConfig?.elt.closest?.("#dialog-slot dialog")?.close();
    return;
  }
  const dialog = event.detail.target.querySelector("dialog");
  if (!dialog || dialog.open) return;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
});

document.addEventListener("click", (event) => {
  const dialog = event.target.closest?.("dialog");
  if (!dialog) return;
  // A click beside the dialog has the dialog itself as target, and lies outside its box.
  const box = dialog.getBoundingClientRect();
  const beside = event.target === dialog && event.detail > 0 &&
    (event.clientX < box.left || event.clientX > box.right ||
      event.clientY < box.top || event.clientY > box.bottom);
  if (event.target.closest("[data-closes]") || beside) {
    event.preventDefault();
    dialog.close();
  }
});
