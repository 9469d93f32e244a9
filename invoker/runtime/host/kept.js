// What the host keeps for itself. Nothing else of it runs before this does.
//
// User code may replace any global and any method of any prototype, and an event that finds the
// host broken would wait for its time to be over. So the host looks nothing up once user code runs:
// it keeps what it needs, walks no iterator, and assigns to no property that it did not define.

const deno = globalThis.Deno;
const { stdin, stdout } = deno;
export const { exit } = deno;
export const { parse, stringify } = JSON;
export const { floor, round } = Math;
const { getOwnPropertyDescriptor } = Reflect;
export const { apply, defineProperty } = Reflect;
export const hasOwn = Object.hasOwn;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
export const indexOf = uncurry(String.prototype.indexOf);
export const slice = uncurry(String.prototype.slice);
export const copyInto = uncurry(Uint8Array.prototype.set);
export const moveWithin = uncurry(Uint8Array.prototype.copyWithin);
export const preventDefault = uncurry(Event.prototype.preventDefault);
export const reasonOf = getter(PromiseRejectionEvent.prototype, "reason");
export const errorOf = getter(ErrorEvent.prototype, "error");
export const { getAsyncContext, setAsyncContext } = deno[deno.internal].core;
export const readSync = stdin.readSync.bind(stdin);
export const readBeside = stdin.read.bind(stdin);
export const readText = deno.readTextFileSync;
export const writeSync = stdout.writeSync.bind(stdout);
export const clock = performance.now.bind(performance);
export const now = Date.now;
export const globalEval = globalThis.eval;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const encodeInto = encoder.encodeInto.bind(encoder);
export const decode = decoder.decode.bind(decoder);
export const microtask = queueMicrotask;
// Deno's own queueMicrotask looks at globals when it is first called; this asks nobody.
const resolved = Promise.resolve();
defineProperty(resolved, "constructor", { value: undefined });
export const afterwards = Promise.prototype.then.bind(resolved);
export const asString = String;
export const toInteger = Number.parseInt;
export const Bytes = Uint8Array;
export const Compiled = Function;
export const AnyError = Error;
export const Later = Promise;
export const SyntaxFailure = SyntaxError;
export const realFetch = getOwnPropertyDescriptor(globalThis, "fetch");
export const realProcess = getOwnPropertyDescriptor(globalThis, "process");
export const realTimers = { __proto__: null };
for (const name of ["setTimeout", "setInterval", "setImmediate"]) {
  realTimers[name] = getOwnPropertyDescriptor(globalThis, name);
}
// The only folder that functions may read.
export const BUNDLES = new URL("../bundles/", import.meta.url).pathname;

// A proxy of its own, which this makes, is resolved without a look at the address that comes out.
delete deno.createHttpClient;
delete deno.HttpClient;
// Reaches the machine's graphics drivers.
delete Navigator.prototype.gpu;

function getter(prototype, name) {
  return uncurry(getOwnPropertyDescriptor(prototype, name).get);
}

// What a global was: Deno makes some of them when they are first asked for.
export function readGlobal({ get, value }) {
  return get ? apply(get, globalThis, []) : value;
}
