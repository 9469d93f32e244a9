// A button that opens and closes a sidebar; the choice stays on this device.

for (const button of document.querySelectorAll("[data-toggles-sidebar]")) {
  const sidebar = document.getElementById(button.dataset.togglesSidebar);
  const key = `houston.${sidebar.id}`;

  const show = (open) => {
    sidebar.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  };

  button.addEventListener("click", () => {
    show(sidebar.hidden);
    localStorage.setItem(key, sidebar.hidden ? "closed" : "open");
  });
  // A test result must be seen, whatever was chosen before.
  sidebar.addEventListener("opens", () => show(true));
  show(localStorage.getItem(key) !== "closed" || location.hash === "#result");
}
