// New rows of a list come in on top, by the poll of #tail, while somebody looks at its beginning:
// not while they read further down, and not once they pressed [data-follows]. Says how many came.

const READING_PX = 200;
const MOST_ROWS = 500;
const button = document.querySelector("[data-follows]");
const told = document.querySelector("[data-told]");
let fresh = 0;

const following = () => button?.getAttribute("aria-pressed") !== "false";

function show() {
  const label = !following() ? "Paused" : scrollY > READING_PX ? "Live, paused below" : "Live";
  if (button.textContent !== label) button.textContent = label;
}

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!following()));
    show();
  });
  addEventListener("scroll", show, { passive: true });
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id !== "tail") return;
  if (!following() || scrollY > READING_PX) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "tail" || !event.detail.shouldSwap) return;
  const answer = document.createElement("template");
  answer.innerHTML = event.detail.serverResponse;
  fresh = 0;
  for (const row of answer.content.querySelectorAll("[data-lines]")) {
    // A few seconds are told twice, so that none is missed.
    if (document.getElementById(row.id)) row.remove();
    else fresh += Number(row.dataset.lines);
  }
  event.detail.serverResponse = answer.innerHTML;
});

document.addEventListener("htmx:afterSwap", () => {
  if (!fresh) return;
  told.textContent = fresh === 1 ? "1 new line" : `${fresh} new lines`;
  fresh = 0;
  document.querySelector("[data-until-lines]")?.remove();
  for (const row of [...document.querySelectorAll("#lines > [data-lines]")].slice(MOST_ROWS)) {
    row.remove();
  }
});
