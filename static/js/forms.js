// A form that was sent shows it on its button, and is not sent twice; Ctrl+Enter in a text area
// sends it; [data-submits] sends its form when it changes; [data-fills] puts its value into a field.

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  // A page stays where it is while a file is fetched.
  const stays = "[hx-get], [hx-post], [data-act], [data-downloads]";
  if (!button || event.target.matches(stays) || event.target.method === "dialog") return;
  if (button.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  // Not disabled: the button's own name and value belong to what is sent.
  button.setAttribute("aria-busy", "true");
});

addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) {
    button.removeAttribute("aria-busy");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const area = event.target.closest?.("textarea");
  if (area?.form && !area.closest("code-editor, .workbench")) area.form.requestSubmit();
});

document.addEventListener("change", (event) => {
  if (event.target.closest?.("[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-fills]");
  if (!button) return;
  const field = document.querySelector(button.dataset.fills);
  field.value = button.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
});

const firstWrong = document.querySelector("[aria-invalid='true']:not([type='hidden'])");
firstWrong?.focus();
