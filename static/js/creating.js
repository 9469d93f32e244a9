// The page of a new function: what was typed survives another choice, characters are counted, and
// what the server says of a name is on the field too.

const page = document.querySelector("#chooser");

const find = (id) => page.querySelector(`#${id}`);

// Typed by somebody, not suggested by a template.
function typed() {
  const fields = ["id_name", "id_description"].map(find)
    .filter((field) => field && field.value !== (field.dataset.suggested ?? field.defaultValue));
  const skills = page.querySelector("#naming [name=skills]");
  return [...fields, ...(skills?.value ? [skills] : [])];
}

page.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.matches("#pick, #gallery fieldset")) {
    for (const field of typed()) event.detail.parameters[field.name] = field.value;
  }
});

function count(field) {
  const note = page.querySelector(`[data-counts="${field.id}"]`);
  if (!note) return;
  const length = field.value.length;
  note.textContent = `${length} of ${note.dataset.most}`;
  note.toggleAttribute("data-full", length > note.dataset.most);
}

function countAll() {
  for (const note of page.querySelectorAll("[data-counts]")) {
    const field = find(note.dataset.counts);
    // Longer texts are told of, never cut while somebody pastes them.
    field.removeAttribute("maxlength");
    count(field);
  }
}

page.addEventListener("input", (event) => count(event.target));

page.addEventListener("click", (event) => {
  const skill = event.target.closest("[data-adds-skill]");
  if (skill) {
    const chips = page.querySelector("chip-list");
    chips.add(skill.dataset.addsSkill);
    chips.entry.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

// What was said of a field is on the field too.
function mark() {
  for (const name of ["name", "skills"]) {
    const said = find(`${name}-said`);
    const wrong = Boolean(said?.querySelector("[data-bad]"));
    const field = name === "skills"
      ? page.querySelector("chip-list input:not([type=hidden])")
      : find("id_name");
    if (wrong) field?.setAttribute("aria-invalid", "true");
    else field?.removeAttribute("aria-invalid");
  }
}

document.addEventListener("htmx:oobAfterSwap", mark);

// Beside the choice the list of events is a box of its own: what is chosen is in its sight.
function showEvent() {
  const radio = page.querySelector(`[name=event][value="${find("choice").dataset.event}"]`);
  if (!radio) return;
  radio.checked = true;
  const [list, row] = [find("pick"), radio.closest(".pick-row")];
  const top = row.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + row.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTop = top - (list.clientHeight - row.offsetHeight) / 2;
  }
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "choice") return;
  const choice = find("choice");
  showEvent();
  document.querySelector("#choice-said").textContent = choice.dataset.said;
  countAll();
});

// One below the other, the next step is where somebody looks next, when they do not use the keys.
let tapped = false;
page.addEventListener("pointerup", () => tapped = true);
page.addEventListener("keydown", () => tapped = false);
document.addEventListener("htmx:afterSettle", (event) => {
  const below = matchMedia("(max-width: 900px)").matches;
  if (event.detail.elt?.id === "choice" && below && tapped) find("choice").scrollIntoView();
});

countAll();
showEvent();
