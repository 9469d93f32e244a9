// A button that opens and closes a sidebar, and a separator that makes it wider or narrower, by
// mouse or by arrow keys. Both choices stay on this device.

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
  show(localStorage.getItem(key) !== "closed" || location.hash === "#test");
}

const NARROWEST = 280;
const STEP = 24;

for (const splitter of document.querySelectorAll("[data-resizes]")) {
  const sidebar = document.getElementById(splitter.dataset.resizes);
  const key = `houston.${sidebar.id}.width`;
  const widest = () => Math.max(NARROWEST, innerWidth - 480);

  const show = (wanted) => {
    const width = Math.round(Math.min(Math.max(wanted, NARROWEST), widest()));
    sidebar.style.setProperty("--side", `${width}px`);
    splitter.setAttribute("aria-valuenow", String(width));
    splitter.setAttribute("aria-valuemin", String(NARROWEST));
    splitter.setAttribute("aria-valuemax", String(widest()));
    return width;
  };
  const keep = (width) => localStorage.setItem(key, String(show(width)));

  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    const start = event.clientX;
    const before = sidebar.offsetWidth;
    const move = (moved) => keep(before + start - moved.clientX);
    splitter.addEventListener("pointermove", move);
    splitter.addEventListener("lostpointercapture", () => {
      splitter.removeEventListener("pointermove", move);
    }, { once: true });
  });
  splitter.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (step) keep(sidebar.offsetWidth + step);
    else if (event.key === "Home") keep(widest());
    else if (event.key === "End") keep(NARROWEST);
    else return;
    event.preventDefault();
  });
  splitter.addEventListener("dblclick", () => {
    localStorage.removeItem(key);
    sidebar.style.removeProperty("--side");
    show(sidebar.offsetWidth);
  });
  new MutationObserver(() => splitter.hidden = sidebar.hidden)
    .observe(sidebar, { attributeFilter: ["hidden"] });
  splitter.hidden = sidebar.hidden;
  const kept = Number(localStorage.getItem(key));
  if (kept) show(kept);
  else if (!sidebar.hidden) splitter.setAttribute("aria-valuenow", String(sidebar.offsetWidth));
}
