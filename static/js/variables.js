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

  box.addEventListener("input", complete);
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
