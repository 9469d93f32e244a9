// Loads the program: what its code sees is put in place, and its function found.
import { AnyError, apply, defineProperty, exit, stringify, SyntaxFailure } from "./kept.js";
import { CHECKER, compileModule } from "./compiling.js";
import { console } from "./console.js";
import { endLoading, isLoading, startLoading } from "./current.js";
import { FRAME, ownError, shiftFirstLine } from "./failures.js";
import { fetch } from "./fetching.js";
import { writeFrame } from "./frames.js";
import { takeJournal } from "./journal.js";
import { process, setEnvironment } from "./process.js";
import { importLater, offerPlatform, require } from "./require.js";

export let lambda = null;

// Gives nothing, or a promise when the source waits at its top level.
export function load(program, compiled) {
  startLoading(program.limits);
  shiftFirstLine(compiled.shift);
  setEnvironment(program.environment);
  offerPlatform(program.facts);
  const fixed = { writable: true, configurable: true, enumerable: false };
  defineProperty(globalThis, "process", { value: process, ...fixed });
  defineProperty(globalThis, "console", { value: console, ...fixed });
  defineProperty(globalThis, "fetch", { value: fetch, ...fixed });
  for (
    const name of [
      "Worker",
      "localStorage",
      "sessionStorage",
      "prompt",
      "alert",
      "confirm",
    ]
  ) {
    delete globalThis[name];
  }
  const module = { exports: {} };
  const evaluate = compiled.wrapper(process, console, globalThis, undefined, importLater);
  const loaded = apply(evaluate, module.exports, [module, module.exports, require]);
  const use = (found) => {
    endLoading();
    lambda = found;
    if (typeof lambda !== "function") throw new AnyError("There is no function named lambda");
  };
  if (compiled.isAsync) return loaded.then(use);
  use(loaded);
}

export function refuseLoad(error) {
  writeFrame(`{"ready":false,"error":${error},${takeJournal()}}`);
  exit(0);
}

// What V8 refuses as a script may be a module. If not, the checker knows where it is broken, which
// V8 does not say.
export async function compileOrRefuse(error, source) {
  let { name, message } = error;
  let place = null;
  if (error instanceof SyntaxFailure) {
    const { asScript, locate } = await import(CHECKER);
    const made = asScript(source);
    if (made !== null && made.error === null) {
      try {
        return { ...compileModule(made), isAsync: made.isAsync };
      } catch (failure) {
        ({ name, message } = failure);
      }
    }
    if (made?.error) ({ message } = made.error);
    place = made?.error ?? locate(source);
  }
  let stack = `${name}: ${message}`;
  if (place !== null) stack += `\n${FRAME}index.js:${place.line}:${place.column}`;
  refuseLoad(stringify({ name, message, stack, isError: true }));
}

addEventListener("beforeunload", () => {
  if (isLoading) refuseLoad(ownError("no-result", "The code waits for ever at its top level"));
});
