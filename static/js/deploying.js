// A deployment in place: the steps it is at while it goes on, then why it was refused. One that
// worked leads to the editor.

const outcome = document.querySelector("#deploy-outcome");
const form = document.querySelector("#deploy-form");
let goesOn = false;

form.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt !== form) return;
  goesOn = true;
  htmx.ajax("GET", outcome.dataset.progress, { source: outcome, target: outcome });
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, xhr } = event.detail;
  if (elt === form) {
    goesOn = false;
    if (xhr.status !== 409 && xhr.status !== 503) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  } else if (outcome.contains(elt) && !goesOn) {
    // Steps that come after the end of them.
    event.detail.shouldSwap = false;
  }
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt !== form) return;
  goesOn = false;
  if (!event.detail.xhr.status) outcome.replaceChildren();
  outcome.scrollIntoView({ block: "nearest" });
});
