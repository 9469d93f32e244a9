// Tabs as WAI-ARIA has them: one panel at a time, arrow keys, and the one in the address first.
// Other modules open a tab with `document.querySelector("#tab-result").click()`.

for (const list of document.querySelectorAll("[data-tabs]")) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

  const open = (chosen) => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      panel(tab).hidden = !selected;
    }
  };

  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) open(tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    open(next);
    next.focus();
  });

  const named = tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
  open(named ?? tabs.find((tab) => tab.getAttribute("aria-selected") === "true"));
  list.parentElement.dataset.ready = "";
}
