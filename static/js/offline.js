// A banner while the network is away; what is on the page is as old as it says.

const banner = document.querySelector("#offline");

function tell(away) {
  if (away === !banner.hidden) return;
  banner.hidden = !away;
  if (away) banner.querySelector("time").textContent = new Date().toLocaleTimeString("sv-SE");
}

addEventListener("offline", () => tell(true));
addEventListener("online", () => tell(false));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) tell(false);
});
if (!navigator.onLine) tell(true);
