// A <details class="menu"> closes on Escape, on a click elsewhere, and when focus leaves it. Arrow
// keys go through what is in it, from a field that filters it too, where Enter opens the first.

const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    const pressed = event.target.closest(".menu-list a, .menu-list button");
    // A field that is not filled in has to be in sight for the browser to ask for it.
    if (!menu.contains(event.target) || (pressed && !pressed.form?.matches(":invalid"))) {
      menu.open = false;
    }
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (!menu || event.target.matches("input:not([data-filters]), select, textarea")) return;
  const stops = [...menu.querySelectorAll("summary, [data-filters], .menu-list a, button")]
    .filter((stop) => stop.checkVisibility());
  if (event.key === "Enter" && event.target.matches("[data-filters]")) {
    event.preventDefault();
    const list = document.querySelector(event.target.getAttribute("hx-target"));
    const open = () => list.querySelector("a")?.click();
    const { value, dataset } = event.target;
    // What is shown may still belong to an earlier text.
    if (value !== dataset.shown) list.addEventListener("htmx:afterSettle", open, { once: true });
    else if (value) open();
    return;
  }
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const place = stops.indexOf(document.activeElement);
  stops[(place + step + stops.length) % stops.length].focus();
});

// A menu of many begins with the field that finds one of them.
document.addEventListener("toggle", (event) => {
  const field = event.target.matches?.("details.menu[open]") &&
    event.target.querySelector("[data-filters]");
  if (field) {
    field.dataset.shown = field.value;
    field.focus();
  }
}, { capture: true });

document.addEventListener("htmx:afterSettle", (event) => {
  const field = event.detail.requestConfig?.elt;
  if (field?.matches("[data-filters]")) {
    field.dataset.shown = event.detail.requestConfig.parameters.q ?? "";
  }
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
