// Tabs as WAI-ARIA has them: one panel at a time, arrow keys, and the one in the address first.
// Other modules open a tab with `document.querySelector("#tab-test").click()`. A list with a name in
// data-tabs remembers on this device which one was open.

function setUp(list) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const key = list.dataset.tabs && `houston.tabs.${list.dataset.tabs}`;
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
    if (!tab) return;
    open(tab);
    if (key) localStorage.setItem(key, tab.id);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    open(next);
    next.focus();
  });

  const named = tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
  const kept = key && tabs.find((tab) => tab.id === localStorage.getItem(key));
  // What the server chose, other than the first, is what somebody came for.
  const meant = tabs.slice(1).find((tab) => tab.getAttribute("aria-selected") === "true");
  open(named ?? meant ?? (kept || tabs[0]));
  list.parentElement.dataset.ready = "";
}

const all = (root) => root.querySelectorAll("[data-tabs]").forEach(setUp);
all(document);
document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) all(event.target);
});
