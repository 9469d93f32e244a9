// Live lists listen to "poll" on the body: sent while the page is seen, slower while the
// server does not answer. [data-stale] then says since when the list has stood still.

const NORMAL_MS = 3000;
const SLOWEST_MS = 30000;
let wait = NORMAL_MS;
let lastGood = new Date();

const isPoller = (event) => event.detail.elt?.matches?.("[hx-trigger*='poll']");

function tell(failed) {
  for (const note of document.querySelectorAll("[data-stale]")) {
    note.hidden = !failed;
    const time = note.querySelector("time");
    if (time) time.textContent = lastGood.toLocaleTimeString("sv-SE");
  }
}

function tick() {
  if (document.visibilityState === "visible") document.body.dispatchEvent(new Event("poll"));
  setTimeout(tick, wait);
}

document.addEventListener("htmx:afterRequest", (event) => {
  if (!isPoller(event)) return;
  const failed = !event.detail.successful;
  wait = failed ? Math.min(wait * 2, SLOWEST_MS) : NORMAL_MS;
  if (!failed) lastGood = new Date();
  tell(failed);
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") document.body.dispatchEvent(new Event("poll"));
});

setTimeout(tick, NORMAL_MS);
