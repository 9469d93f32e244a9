// [data-copy] copies its value, or with "#id" the text of that element, and says so.

function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without https the clipboard is closed to pages, but a selection can still be copied.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button || button.dataset.copied) return;
  const source = button.dataset.copy;
  const text = source.startsWith("#") ? document.querySelector(source).textContent.trim() : source;
  const label = button.textContent;
  try {
    await write(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
    if (source.startsWith("#")) getSelection().selectAllChildren(document.querySelector(source));
  }
  button.dataset.copied = "yes";
  setTimeout(() => {
    button.textContent = label;
    delete button.dataset.copied;
  }, 1600);
});
