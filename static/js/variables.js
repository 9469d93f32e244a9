// Rows of environment variables: the last row is always empty, and a row can be taken away.

function setUp(box) {
  const template = box.querySelector("template");
  const rows = () => [...box.querySelectorAll(".variable")];
  const inputs = (row) => [...row.querySelectorAll("input")];

  const add = (name = "", value = "") => {
    const row = template.content.cloneNode(true).querySelector(".variable");
    [inputs(row)[0].value, inputs(row)[1].value] = [name, value];
    template.before(row);
    return row;
  };

  const complete = () => {
    const last = rows().at(-1);
    if (!last || inputs(last).some((input) => input.value)) add();
  };

  // The service refuses a reserved name too; here it says so while it is typed.
  const check = () => {
    const reserved = box.dataset.reserved?.split(" ") ?? [];
    for (const row of rows()) {
      const [name] = inputs(row);
      const typed = name.value.trim();
      const wrong = reserved.includes(typed)
        ? `${typed} is reserved: take another name`
        : typed && !/^[A-Za-z_]\w*$/.test(typed)
        ? "Letters, digits and underscores, no digit first"
        : "";
      name.toggleAttribute("aria-invalid", Boolean(wrong));
      if (wrong) name.setAttribute("aria-invalid", "true");
      row.querySelector("[data-problem]").textContent = wrong;
    }
  };

  box.addEventListener("input", () => {
    complete();
    check();
  });
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-removes-variable]");
    if (!button) return;
    const row = button.closest(".variable");
    const next = row.nextElementSibling?.querySelector?.("input");
    row.remove();
    complete();
    (next ?? rows().at(-1).querySelector("input")).focus();
    box.dispatchEvent(new Event("change", { bubbles: true }));
  });
  box.closest("form").addEventListener("variables", (event) => {
    rows().forEach((row) => row.remove());
    event.detail.names.forEach((name, at) => {
      if (name || event.detail.values[at]) add(name, event.detail.values[at]);
    });
    complete();
  });
}

document.querySelectorAll("[data-variables]").forEach(setUp);
// The page of two changes comes in place of the editor.
document.addEventListener("htmx:afterSwap", (event) => {
  event.detail.target.querySelectorAll("[data-variables]").forEach(setUp);
});
