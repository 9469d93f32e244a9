// What the server finds in the code, in the editor's gutter: asked when somebody has stopped typing.

const WAITS_MS = 700;
const RETRIES_MS = 3000;

const editor = document.querySelector("code-editor[data-check]");
const area = editor?.querySelector("textarea");
const explained = JSON.parse(document.querySelector("#explained-codes")?.textContent ?? "{}");
let timer = 0;
let asking = null;

// The token changes when somebody has signed in again meanwhile.
function post(address, fields, signal) {
  const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
  return fetch(address, { method: "POST", headers, body: new URLSearchParams(fields), signal });
}

async function check() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const answer = await post(editor.dataset.check, { code: area.value }, signal);
    if (answer.status === 503) return wait(RETRIES_MS);
    // A session that has ended leads elsewhere; the next save tells of it.
    if (!answer.ok || answer.redirected) return;
    const { problems } = await answer.json();
    if (!signal.aborted) tell(problems);
  } catch (error) {
    // Without the server there is nothing to say; typing asks again.
    if (!signal.aborted && !(error instanceof TypeError)) throw error;
  }
}

function wait(ms) {
  clearTimeout(timer);
  timer = setTimeout(check, ms);
}

// Each with what its code means for somebody who wants to go on, and where that is explained.
function tell(problems) {
  const found = problems.map((one) => {
    const [way, help] = explained[one.code] ?? [];
    return { ...one, way, help };
  });
  editor.setProblems?.(found);
  editor.dispatchEvent(new CustomEvent("checked", { detail: found }));
}

// Through htmx, which shows what came of it.
async function allow(domain) {
  const options = { source: document.body, values: { domain }, swap: "none" };
  await globalThis.htmx.ajax("POST", editor.dataset.allow, options);
  await check();
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
