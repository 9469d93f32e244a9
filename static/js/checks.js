// What the server finds in the code, in the editor's gutter: asked when somebody has stopped typing.

const WAITS_MS = 700;
const RETRIES_MS = 3000;

const editor = document.querySelector("code-editor[data-check]");
const area = editor?.querySelector("textarea");
const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
let timer = 0;
let asking = null;

function post(address, fields, options = {}) {
  return fetch(address, { method: "POST", headers, body: new URLSearchParams(fields), ...options });
}

async function check() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const answer = await post(editor.dataset.check, { code: area.value }, { signal });
    if (answer.status === 503) return wait(RETRIES_MS);
    if (!answer.ok) return;
    const { problems } = await answer.json();
    if (!signal.aborted) editor.setProblems?.(problems);
  } catch (error) {
    // Without the server there is nothing to say; typing asks again.
    if (!signal.aborted && !(error instanceof TypeError)) throw error;
  }
}

function wait(ms) {
  clearTimeout(timer);
  timer = setTimeout(check, ms);
}

async function allow(domain) {
  const answer = await post(editor.dataset.allow, { domain }, { redirect: "manual" });
  // Who may not, or what cannot be, is told where the list is kept.
  if (answer.type === "opaqueredirect") return check();
  location.assign(editor.dataset.allow.replace(/add\/$/, ""));
}

// The variables that the form has now, saved or not.
function tellVariables() {
  const names = document.querySelectorAll("[data-variables] [name=variable_name]");
  editor.setEnvironment?.([...names].map((input) => input.value.trim()).filter(Boolean));
}

if (editor) {
  area.addEventListener("input", () => wait(WAITS_MS));
  editor.addEventListener("fix", ({ detail }) => detail.allow && allow(detail.allow));
  const variables = document.querySelector("[data-variables]");
  for (const name of ["input", "change"]) variables?.addEventListener(name, tellVariables);
  variables?.closest("form").addEventListener("variables", () => setTimeout(tellVariables));
  customElements.whenDefined("code-editor").then(() => {
    tellVariables();
    wait(0);
  });
}
