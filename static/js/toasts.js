// A toast that tells of success leaves after five seconds, unless somebody is reading it.

const SHOWN_MS = 5000;

function watch(toast) {
  toast.querySelector("[data-dismiss]")?.addEventListener("click", () => toast.remove());
  if (!["success", "info"].includes(toast.dataset.level)) return;
  let timer = 0;
  const start = () => {
    timer = setTimeout(() => toast.remove(), SHOWN_MS);
  };
  for (const name of ["pointerenter", "focusin"]) {
    toast.addEventListener(name, () => clearTimeout(timer));
  }
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, start);
  start();
}

const region = document.querySelector("#toasts");
if (region) {
  region.querySelectorAll(".toast").forEach(watch);
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.matches?.(".toast")) watch(node);
    }
  }).observe(region, { childList: true });
}
