// A request that htmx made and that failed says so in one toast, from #toast-template. One that
// came too late says nothing.

function show(text) {
  const region = document.querySelector("#toasts");
  if ([...region.querySelectorAll("p")].some((line) => line.textContent === text)) return;
  const toast = document.querySelector("#toast-template").content.cloneNode(true);
  toast.querySelector("p").textContent = text;
  region.append(toast);
}

document.addEventListener("htmx:sendError", (event) => {
  // A live list says itself that it is out of date.
  if (event.detail.elt.matches("[hx-trigger*='poll']")) return;
  show("Cannot reach Houston: check the connection and try again");
});

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.elt.matches("[hx-trigger*='poll']")) return;
  const { xhr } = event.detail;
  const reasons = {
    403: "You are not allowed to do this: ask an admin of the account",
    404: "This is not there any more: reload the page",
    409: "Somebody was quicker: reload the page to see what has changed",
    413: "This is too large to send",
    429: "This was tried too often: wait a moment",
  };
  const id = xhr.getResponseHeader("X-Request-ID");
  const text = reasons[xhr.status] ?? `Houston answered with an error (${xhr.status})`;
  show(id && xhr.status >= 500 ? `${text}, request ${id}` : text);
});

// An answer whose place has left the page is nobody's any more: a replay was begun anew while a
// slice of the one before was on its way. htmx would not find where to put the parts of it. Said
// to the place itself, as nothing else hears what happens to one that is gone.
function dropWhenLate(event) {
  if (!event.detail.target.isConnected) event.detail.shouldSwap = false;
}
document.addEventListener("htmx:beforeRequest", (event) => {
  event.detail.target.addEventListener("htmx:beforeSwap", dropWhenLate);
});
