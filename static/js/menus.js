// A <details class="menu"> closes on Escape, on a click elsewhere, and when focus leaves it.

const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    if (!menu.contains(event.target) || event.target.closest(".menu-list a, .menu-list button")) {
      menu.open = false;
    }
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Where not all tabs fit, or not all pages of the navigation, the one of this page is in sight.
document.querySelectorAll(".tabs [aria-current], .nav [aria-current=page]").forEach((tab) => {
  const row = tab.closest(".tabs, .nav");
  row.scrollLeft = tab.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
});
