// What is wrong with the code, as a list below it: the editor's own problems and the server's. With
// a textarea in place of the editor there are the server's alone.

const editor = document.querySelector("#code-editor");
const list = document.querySelector("#problem-list");
const button = document.querySelector("#problems");
const KEPT = "houston.problems";
let checked = [];

function said(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function codeOf(code, help) {
  const shown = document.createElement(help ? "a" : "span");
  if (help) Object.assign(shown, { href: help, target: "_blank", rel: "noopener" });
  shown.className = "problem-code";
  shown.textContent = code;
  return shown;
}

function row({ message, line, column, severity, code }) {
  const item = list.querySelector("template").content.cloneNode(true).firstElementChild;
  const found = checked.find((one) => one.code === code && one.message === message);
  item.dataset.severity = severity;
  item.querySelector("[data-reveal]").dataset.reveal = `${line ?? 1}:${column ?? 1}`;
  item.querySelector("[data-severity-name]").textContent = `${severity}: `;
  item.querySelector("[data-message]").textContent = message;
  item.querySelector("[data-place]").textContent = `Line ${line ?? 1}, column ${column ?? 1}`;
  const fix = found?.fixes.find(({ detail }) => detail);
  const button = item.querySelector("[data-fixes]");
  button.hidden = !fix;
  if (fix) {
    button.textContent = fix.title;
    button.addEventListener("click", () => {
      editor.dispatchEvent(new CustomEvent("fix", { detail: fix.detail }));
    });
  }
  item.append(codeOf(code, found?.help));
  return item;
}

function show() {
  const problems = editor.editor ? editor.problems : checked;
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const parts = [
    errors && said(errors, "error"),
    problems.length - errors && said(problems.length - errors, "warning"),
  ];
  button.hidden = false;
  button.dataset.state = errors ? "error" : problems.length ? "warning" : "";
  button.querySelector("[data-label]").textContent = parts.filter(Boolean).join(", ") ||
    "No problems";
  const places = () => [...list.querySelectorAll("[data-reveal]")];
  const at = places().indexOf(document.activeElement);
  list.querySelector("ul").replaceChildren(...problems.map(row));
  // Checking goes on while somebody reads the list.
  if (at >= 0) (places()[at] ?? places().at(-1) ?? button).focus();
  list.querySelector("[data-none]").hidden = problems.length > 0;
}

function open(isOpen) {
  list.hidden = !isOpen;
  button.setAttribute("aria-expanded", String(isOpen));
}

function toggle() {
  open(list.hidden);
  localStorage.setItem(KEPT, list.hidden ? "closed" : "open");
  if (!list.hidden) list.querySelector("[data-reveal]")?.focus();
  else editor.editor?.focus();
}

function goToNext(isBack) {
  editor.editor.focus();
  editor.editor.getAction(`editor.action.marker.${isBack ? "prev" : "next"}`).run();
}

if (button) {
  button.addEventListener("click", toggle);
  list.querySelector("[data-closes-problems]").addEventListener("click", toggle);
  list.addEventListener("keydown", (event) => {
    const places = [...list.querySelectorAll("[data-reveal]")];
    const at = places.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") toggle();
    else if (step && at >= 0) places[at + step]?.focus();
    else return;
    event.preventDefault();
  });
  // In the editor itself Monaco does so.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "F8" || !editor.editor || event.target.closest?.("code-editor")) return;
    event.preventDefault();
    goToNext(event.shiftKey);
  });
  editor.addEventListener("problems", show);
  editor.addEventListener("checked", ({ detail }) => {
    checked = detail;
    show();
  });
  open(localStorage.getItem(KEPT) === "open");
}
