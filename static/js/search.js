// The search dialog: opens where its link would lead to a page, arrows go through what was found,
// Enter opens the first. What was opened from here lately stands below an empty field.

const MOST_KEPT = 6;
const dialog = document.querySelector("#search");
const field = dialog?.querySelector("input");
const hits = dialog?.querySelector("#search-hits");
const recent = dialog?.querySelector("#search-recent");
const key = `houston.search.${dialog?.dataset.account ?? ""}`;

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? "[]");
    return found.filter((one) => one.url.startsWith("/") && !one.url.startsWith("//"));
  } catch {
    return [];
  }
}

function keep(link) {
  const one = { url: link.getAttribute("href"), title: link.firstElementChild.textContent };
  const rest = kept().filter((each) => each.url !== one.url);
  try {
    localStorage.setItem(key, JSON.stringify([one, ...rest].slice(0, MOST_KEPT)));
  } catch {
    // A browser that keeps nothing only has no recent items.
  }
}

function showRecent() {
  const items = kept().map((one) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const title = document.createElement("span");
    link.href = one.url;
    title.textContent = one.title;
    link.append(title);
    item.append(link);
    return item;
  });
  recent.querySelector("ul").replaceChildren(...items);
  recent.hidden = items.length === 0 || field.value !== "";
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-opens-search]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    showRecent();
    dialog.showModal();
    field.select();
  }
  const hit = event.target.closest?.("#search a");
  if (hit) keep(hit);
});

field?.addEventListener("input", () => {
  recent.hidden = field.value !== "" || kept().length === 0;
});

dialog?.addEventListener("keydown", (event) => {
  const links = [...dialog.querySelectorAll("a")].filter((link) => link.checkVisibility());
  if (event.key === "Enter" && event.target === field) {
    event.preventDefault();
    // What is shown may still belong to an earlier text.
    if (field.value && hits.classList.contains("htmx-request")) {
      hits.addEventListener("htmx:afterSettle", () => hits.querySelector("a")?.click(), {
        once: true,
      });
    } else links[0]?.click();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const stops = [field, ...links];
  const place = stops.indexOf(document.activeElement);
  stops[(place + step + stops.length) % stops.length].focus();
});
