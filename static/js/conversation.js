// A conversation that is played: Enter sends, what is typed and open survives what comes in, the
// lines stay where somebody reads, new ones are said aloud, and the clock goes.

const SOON_MS = 300;
const SLOWEST_MS = 3000;
const AT_END_PX = 40;
const told = document.querySelector("#told");

// Writing and acting ---------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  const area = event.target.closest?.("[data-composer] textarea");
  const plain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!area || event.key !== "Enter" || !plain || event.isComposing) return;
  event.preventDefault();
  area.form.requestSubmit();
});

// Acts are sent one after the other, by something that stays: the answer takes the place of the
// form, which another answer may have replaced by then. What was written leaves its field at once,
// so that the next line can be typed, and comes back when it could not be sent.
const stays = document.querySelector("#main");
let underWay = 0;
let last = Promise.resolve();

// The same act is not sent again before it is answered. A line may be: people repeat themselves.
const sent = new Set();

// The second click of two is not meant for what the answer to the first has put there meanwhile.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest?.("[data-act] button")) event.preventDefault();
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-act]");
  if (!form) return;
  event.preventDefault();
  const values = Object.fromEntries(new FormData(form, event.submitter));
  const area = form.querySelector("textarea");
  const button = event.submitter;
  const what = JSON.stringify(values);
  if (area) area.value = "";
  else if (sent.has(what)) return;
  else {
    sent.add(what);
    button?.setAttribute("aria-busy", "true");
  }
  form.closest("details.menu")?.querySelector("summary").focus();
  underWay += 1;
  last = last.then(() => send(form.action, values)).then((done) => {
    underWay -= 1;
    sent.delete(what);
    button?.removeAttribute("aria-busy");
    if (area && !done) area.value = [values.text, area.value].filter(Boolean).join("\n");
    // Where the button is gone, what was done leads to the next line.
    if (document.activeElement === document.body) {
      document.querySelector(`#comes-back, #${values.side}-text`)?.focus();
    }
  });
});

async function send(url, values) {
  let done = false;
  const note = (event) => {
    if (event.detail.elt === stays) done = event.detail.xhr.status === 200;
  };
  stays.addEventListener("htmx:afterRequest", note);
  try {
    await htmx.ajax("POST", url, { source: stays, swap: "none", values });
  } catch {
    // A toast has told of it.
  }
  stays.removeEventListener("htmx:afterRequest", note);
  return done;
}

// A menu that opens begins with its field.
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.menu[open]")) return;
  // One that was open before, in what took its place, has the focus where it was.
  if (document.activeElement.closest(".menu-list")) return;
  event.target.querySelector(".ask input:not([type=hidden])")?.select();
}, { capture: true });

// What comes in -----------------------------------------------------------------------------------

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  for (const open of target.querySelectorAll("details[open][id]")) {
    const again = fragment.querySelector(`#${CSS.escape(open.id)}`);
    if (again) again.open = true;
  }
  for (const field of target.querySelectorAll("input[id], select[id]")) {
    const again = fragment.querySelector(`#${CSS.escape(field.id)}`);
    if (again) carry(field, again);
  }
});

function carry(field, again) {
  if (field.type === "checkbox") again.checked = field.checked;
  else if (!field.matches("select")) {
    // What nobody touched may be filled in anew.
    if (field.value !== field.defaultValue) again.value = field.value;
  } else if ([...again.options].some((each) => each.value === field.value)) {
    again.value = field.value;
  }
}

const numbered = (list) => [...list.children].filter((each) => each.dataset.number);
const newest = (list) => Number(numbered(list).at(-1)?.dataset.number ?? 0);

for (const list of document.querySelectorAll(".talk")) {
  let latest = newest(list);
  let atEnd = true;
  let lastTop = 0;
  const isAtEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;
  const follow = () => {
    // Somebody has just scrolled up: the browser tells of that only with its next frame.
    if (list.scrollTop < lastTop && !isAtEnd()) atEnd = false;
    if (atEnd) list.scrollTop = list.scrollHeight;
    lastTop = list.scrollTop;
  };
  list.addEventListener("scroll", () => {
    atEnd = isAtEnd();
    lastTop = list.scrollTop;
  }, { passive: true });
  new ResizeObserver(follow).observe(list);
  new MutationObserver(() => {
    follow();
    const fresh = numbered(list).filter((each) => Number(each.dataset.number) > latest);
    latest = Math.max(latest, newest(list));
    // The agent reads everything that the consumer does.
    if (fresh.length && list.id === "agent-lines") told.textContent = fresh.map(words).join(". ");
  }).observe(list, { childList: true });
}

function words(line) {
  const by = line.querySelector(".by strong")?.textContent;
  const text = (line.querySelector(".bubble") ?? line.firstChild).textContent.trim();
  return by ? `${by}: ${text}` : text;
}

// While something is on its way it is looked at again soon, ever more rarely while nothing comes.
let wait = SOON_MS;
let asking = false;
const isWatch = (event) => event.detail.elt.id === "watch";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (!isWatch(event)) return;
  if (underWay) event.preventDefault();
  else asking = true;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // The answer to an act is newer.
  if (isWatch(event) && underWay) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (isWatch(event)) asking = false;
  wait = event.detail.xhr.status === 204 ? Math.min(wait * 1.2, SLOWEST_MS) : SOON_MS;
});

function look() {
  const busy = document.querySelector("#seen[data-busy]");
  if (busy && !asking && document.visibilityState === "visible") {
    document.body.dispatchEvent(new Event("poll"));
  }
  setTimeout(look, busy ? wait : SOON_MS);
}
look();

// Parts of the page on a telephone --------------------------------------------------------------------

function showPart() {
  for (const link of document.querySelectorAll(".play > .tabs > a")) {
    const here = link.hash === location.hash || (!location.hash && link.hash === "#consumer");
    if (here) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}
addEventListener("hashchange", showPart);
showPart();

// The clock ----------------------------------------------------------------------------------------------

// From what the server said and how long that is ago: this device's own clock may be wrong.
let shown = null;
let since = 0;

setInterval(() => {
  const time = document.querySelector("[data-clock]");
  if (!time) return;
  if (time !== shown) {
    shown = time;
    since = performance.now();
  }
  const now = new Date(Date.parse(time.dateTime) + performance.now() - since);
  const [day, date, month, year] = now.toUTCString().replace(",", "").split(" ");
  time.textContent = `${day} ${Number(date)} ${month} ${year}, ${now.toISOString().slice(11, 19)}`;
}, 1000);
