// [data-goes-to-line] puts the cursor into that line of the text area that [data-of] names.

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-goes-to-line]");
  if (!button) return;
  const area = document.querySelector(button.dataset.of);
  const lines = area.value.split("\n");
  const wanted = Math.min(Number(button.dataset.goesToLine), lines.length);
  const begins = lines.slice(0, wanted - 1).join("\n").length + (wanted > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(begins, begins + lines[wanted - 1].length);
  area.scrollTop = (wanted - 3) * parseFloat(getComputedStyle(area).lineHeight);
});
