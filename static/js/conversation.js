// A conversation that is played: Enter sends, what is typed and open survives what comes in, the
// lines stay where somebody reads, new ones are said aloud, and the clock goes.

const SOON_MS = 350;
const AT_END_PX = 40;
const told = document.querySelector("#told");
let asking = false;

// Enter sends ---------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  const area = event.target.closest?.("[data-composer] textarea");
  const plain = !event.shiftKey && !event.ctrlKey && !event.metaKey &&
    !event.altKey;
  if (!area || event.key !== "Enter" || !plain || event.isComposing) return;
  event.preventDefault();
  area.form.requestSubmit();
});

// What was sent leaves the field at once, so that the next line can be typed, and comes back when it
// could not be sent.
const sent = new WeakMap();
const composer = (event) => event.detail.elt?.closest?.("[data-composer]");

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = composer(event);
  if (!form) return;
  const area = form.querySelector("textarea");
  sent.set(form, area.value);
  area.value = "";
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = composer(event);
  if (!form || event.detail.successful) return;
  const area = form.querySelector("textarea");
  area.value = [sent.get(form), area.value].filter(Boolean).join("\n");
});

// What comes in -------------------------------------------------------------------------------------

const news = (list) => Math.max(0, ...[...list.children].map((each) => each.dataset.number ?? 0));

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.matches(".talk")) return;
  for (const open of target.querySelectorAll("details[open][id]")) {
    const again = fragment.querySelector(`#${CSS.escape(open.id)}`);
    if (again) again.open = true;
  }
  for (const field of target.querySelectorAll("input[id], select[id]")) {
    const again = fragment.querySelector(`#${CSS.escape(field.id)}`);
    if (!again) continue;
    if (field.type === "checkbox") again.checked = field.checked;
    else if (field.matches("select") || field.value !== field.defaultValue) {
      again.value = field.value;
    }
    if (!again.value && again.matches("select")) again.selectedIndex = 0;
  }
});

for (const list of document.querySelectorAll(".talk")) {
  let last = news(list);
  let atEnd = true;
  list.scrollTop = list.scrollHeight;
  list.addEventListener("scroll", () => {
    atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;
  }, { passive: true });
  new MutationObserver(() => {
    if (atEnd) list.scrollTop = list.scrollHeight;
    const fresh = [...list.children].filter((each) => Number(each.dataset.number) > last);
    if (!fresh.length) return;
    last = news(list);
    // The agent reads everything that the consumer does.
    if (list.id === "agent-lines") {
      told.textContent = fresh.map(words).join(". ");
    }
  }).observe(list, { childList: true });
}

function words(line) {
  const by = line.querySelector(".by")?.firstChild.textContent.trim();
  const text = line.querySelector(".bubble")?.textContent ??
    line.firstChild.textContent;
  return by ? `${by}: ${text.trim()}` : text.trim();
}

// While something is on its way, look again soon.
setInterval(() => {
  if (asking || document.visibilityState !== "visible") return;
  if (document.querySelector("#watch[data-busy]")) {
    document.body.dispatchEvent(new Event("poll"));
  }
}, SOON_MS);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "watch") asking = true;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id === "watch") asking = false;
});

// The clock -----------------------------------------------------------------------------------------

// From what the server said and how long that is ago: this device's own clock may be wrong.
const face = () => document.querySelector("[data-clock]");
let shown = face();
let since = performance.now();

setInterval(() => {
  const time = face();
  if (!time) return;
  if (time !== shown) {
    shown = time;
    since = performance.now();
  }
  const now = new Date(Date.parse(time.dateTime) + performance.now() - since);
  const [day, date, month, year] = now.toUTCString().replace(",", "").split(
    " ",
  );
  time.textContent = `${day} ${Number(date)} ${month} ${year}, ${now.toISOString().slice(11, 19)}`;
}, 1000);
