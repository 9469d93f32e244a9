// Whose code runs now, and what it may use.
import { getAsyncContext, setAsyncContext } from "./kept.js";

// Of the program.
export let limits = { entries: 10, characters: 16384, result: 262144, calls: 1000 };
export let isLoading = false;
// The invocation that has not been answered yet, or null.
export let current = null;

export function startLoading(itsLimits) {
  limits = itsLimits;
  isLoading = true;
}

export function endLoading() {
  isLoading = false;
}

// Which invocation the running code goes back to, over timers and promises: what an earlier event
// left behind goes on during a later one, and must neither fail it nor speak in its name. Deno keeps
// AsyncLocalStorage in the same object, by number, and copies what else is there.
export function begin(invocation) {
  current = invocation;
  setAsyncContext({ __proto__: null, invocation });
}

export function end() {
  current = null;
}

export function isLeftover() {
  const invocation = getAsyncContext()?.invocation;
  return invocation !== undefined && invocation !== current;
}
