// What runs inside Deno: one process serves one program, one event at a time.
//
// The channel is fd 0, a Unix stream socket: frames of a little-endian u32 length and JSON. Between
// two events the isolate is blocked in read(2), so nothing that a function left behind (timers,
// sockets, promises) can go on. User code shares this process; it can forge its own answers and
// nobody else's. What must hold against it is the process's confinement, not this file.
//
//   to the host     {"load":{source,environment,facts,limits}}  {"id","event","traceId"?}  {"check":source}
//                   {"answer","value"}  {"answer","error":{code,message}}
//   from the host   {"ready":true} or {"ready":false,"error","logs","dropped"}
//                   {"id","ok":true,"value","logs","dropped","ms"}  {"id","ok":false,"error",…}
//                   {"call","op","arguments"}  {"problems":[…]}
//
// While the function waits for the answer to a call, the channel is read beside it. Every call is
// answered before the next event, also those whose function did not wait for them.

const deno = globalThis.Deno;
// User code may replace any global and any method of any prototype, and an event that finds the
// host broken would wait for its time to be over. So the host looks nothing up once user code runs:
// it keeps what it needs, walks no iterator, and assigns to no property that it did not define.
const { stdin, stdout, exit } = deno;
const { parse, stringify } = JSON;
const { floor, round } = Math;
const { apply, defineProperty, getOwnPropertyDescriptor } = Reflect;
const hasOwn = Object.hasOwn;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const indexOf = uncurry(String.prototype.indexOf);
const slice = uncurry(String.prototype.slice);
const copyInto = uncurry(Uint8Array.prototype.set);
const moveWithin = uncurry(Uint8Array.prototype.copyWithin);
const preventDefault = uncurry(Event.prototype.preventDefault);
const reasonOf = getter(PromiseRejectionEvent.prototype, "reason");
const errorOf = getter(ErrorEvent.prototype, "error");
const { getAsyncContext, setAsyncContext } = deno[deno.internal].core;
const readSync = stdin.readSync.bind(stdin);
const readBeside = stdin.read.bind(stdin);
const readText = deno.readTextFileSync;
const writeSync = stdout.writeSync.bind(stdout);
const clock = performance.now.bind(performance);
const now = Date.now;
const globalEval = globalThis.eval;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const encodeInto = encoder.encodeInto.bind(encoder);
const decode = decoder.decode.bind(decoder);
const microtask = queueMicrotask;
// Deno's own queueMicrotask looks at globals when it is first called; this asks nobody.
const resolved = Promise.resolve();
defineProperty(resolved, "constructor", { value: undefined });
const afterwards = Promise.prototype.then.bind(resolved);
const asString = String;
const toInteger = Number.parseInt;
const Bytes = Uint8Array;
const Compiled = Function;
const AnyError = Error;
const Later = Promise;
const SyntaxFailure = SyntaxError;

// A proxy of its own, which this makes, is resolved without a look at the address that comes out.
delete deno.createHttpClient;
delete deno.HttpClient;
// Reaches the machine's graphics drivers.
delete Navigator.prototype.gpu;

function getter(prototype, name) {
  return uncurry(getOwnPropertyDescriptor(prototype, name).get);
}

// What is Node's own in the outer function, so that `const process = require("process")` is as good
// here as it is there.
const PREFIX = "(function(process,console,global,Deno){return function(module,exports,require){";
const SUFFIX = "\n;return typeof lambda==='function'?lambda:" +
  "module.exports.lambda||module.exports.default||module.exports;}})\n//# sourceURL=index.js";
const MODULES_KEPT_BACK = {
  __proto__: null,
  "child_process": true,
  "cluster": true,
  "inspector": true,
  "inspector/promises": true,
  "module": true,
  "repl": true,
  "sea": true,
  "sqlite": true,
  "test": true,
  "trace_events": true,
  "v8": true,
  "wasi": true,
  "worker_threads": true,
};
// Readers in Python, ours and others behind it, end at a thousand levels less those they are in.
const MOST_LEVELS = 200;
const MOST_UNANSWERED = 64;
const MOST_NAME = 200;
const MOST_MESSAGE = 4000;
const MOST_HEADER = 2000;
const MOST_FRAMES = 4000;
const BUNDLES = new URL("../bundles/", import.meta.url).pathname;
const CHECKER = `${BUNDLES}checker.js`;
const TOOLBELTS = {
  __proto__: null,
  "lp-faas-toolbelt": true,
  "core-functions-toolbelt": true,
};
const CANNOT_BE_SHOWN = "[a value that cannot be shown]";

// --- frames ------------------------------------------------------------------

// Buffers are kept, because a new one for each frame would take as long as all the rest of it.
let room = 65536;
let inbox = new Bytes(room);
let filled = 0;
let outroom = 65536;
let outbox = new Bytes(outroom);
let outbody = new Bytes(outbox.buffer, 4);

function readFrame() {
  for (;;) {
    const frame = takeFrame();
    if (frame !== null) return frame;
    arrived(readSync(filled === 0 ? inbox : new Bytes(inbox.buffer, filled)));
  }
}

// A frame that has come in whole, or null.
function takeFrame() {
  if (filled < 4) return null;
  const size = 4 +
    ((inbox[0] | inbox[1] << 8 | inbox[2] << 16 | inbox[3] << 24) >>> 0);
  if (room < size) {
    const larger = new Bytes(size);
    copyInto(larger, inbox);
    inbox = larger;
    room = size;
  }
  if (filled < size) return null;
  const text = decode(new Bytes(inbox.buffer, 4, size - 4));
  if (filled > size) moveWithin(inbox, 0, size, filled);
  filled -= size;
  return parse(text);
}

function arrived(count) {
  if (!count) exit(0); // the client is gone
  filled += count;
}

// Half of a character cannot be said in UTF-8, but cutting a text makes some. JSON.stringify
// escapes just those with \ud8…, and a backslash with another one.
function whole(json) {
  if (indexOf(json, "\\ud") < 0) return json;
  let kept = "", from = 0;
  for (let at = indexOf(json, "\\"); at >= 0; at = indexOf(json, "\\", at)) {
    if (json[at + 1] === "u" && json[at + 2] === "d") {
      kept += slice(json, from, at) + "\ufffd";
      from = at += 6;
    } else at += 2;
  }
  return kept + slice(json, from);
}

function writeFrame(text) {
  const body = whole(text);
  const most = 4 + 3 * body.length;
  if (outroom < most) {
    outroom = most;
    outbox = new Bytes(most);
    outbody = new Bytes(outbox.buffer, 4);
  }
  const { written } = encodeInto(body, outbody);
  outbox[0] = written;
  outbox[1] = written >>> 8;
  outbox[2] = written >>> 16;
  outbox[3] = written >>> 24;
  const size = written + 4;
  for (let sent = 0; sent < size;) {
    sent += writeSync(new Bytes(outbox.buffer, sent, size - sent));
  }
}

function isTooDeep(json) {
  if (json.length <= 2 * MOST_LEVELS) return false;
  let level = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = endOfText(json, at);
    else if (character === "[" || character === "{") {
      if (++level > MOST_LEVELS) return true;
    } else if (character === "]" || character === "}") level--;
  }
  return false;
}

function endOfText(json, start) {
  for (let end = start;;) {
    end = indexOf(json, '"', end + 1);
    let before = end;
    while (json[before - 1] === "\\") before--;
    if ((end - before) % 2 === 0) return end;
  }
}

// --- the running invocation --------------------------------------------------

let limits = { entries: 10, characters: 16384, result: 262144, calls: 1000 };

// What console was called with since the last answer. What is said while the code loads goes out
// with the first one.
class Journal {
  entries = "";
  count = 0;
  characters = 0;
  dropped = 0;

  add(level, values) {
    if (this.count >= limits.entries) {
      this.dropped++;
      return;
    }
    const message = asText(values[0]);
    const left = limits.characters - this.characters;
    if (message.length > left) {
      this.dropped++;
      return;
    }
    let extras = "";
    for (let n = 1; n < values.length && extras.length <= left; n++) {
      extras += (n > 1 ? "," : "") + asJson(values[n]);
    }
    const entry = `{"level":"${level}","message":${stringify(message)},` +
      `"extras":[${extras}],"timestamp":${now()}}`;
    if (entry.length > left) {
      this.dropped++;
      return;
    }
    this.entries += (this.count ? "," : "") + entry;
    this.characters += entry.length;
    this.count++;
  }

  text() {
    return `"logs":[${this.entries}],"dropped":${this.dropped}`;
  }
}

class Invocation {
  id;
  traceId;
  startedAt = clock();
  isSettled = false;

  constructor(id, traceId) {
    this.id = id;
    this.traceId = traceId ?? "";
  }

  settle(ok, value) {
    this.answer(() => ok ? resultOf(value) : `"ok":false,"error":${describe(value)}`);
  }

  fail(code, message) {
    this.answer(() => `"ok":false,"error":${ownError(code, message)}`);
  }

  // Only the first answer counts. It goes out when the code that gave it has come to its end: what
  // runs on would do so while the sandbox is taken to be idle.
  answer(describeOutcome) {
    if (this.isSettled) return;
    this.isSettled = true;
    forgetWaiting();
    const outcome = describeOutcome();
    const ms = round((clock() - this.startedAt) * 1000) / 1000;
    afterwards(() => {
      try {
        writeFrame(
          `{"id":${this.id},${outcome},${journal.text()},"ms":${ms}}`,
        );
      } catch {
        exit(1); // user code has closed the channel
      }
      if (journal.count || journal.dropped) journal = new Journal();
      current = null;
      if (unanswered === 0) serve();
      else whenAnswered = serve;
    });
  }
}

let journal = new Journal();
let current = null;

// Which invocation the running code goes back to, over timers and promises: what an earlier event
// left behind goes on during a later one, and must neither fail it nor speak in its name. Deno keeps
// AsyncLocalStorage in the same object, by number, and copies what else is there.
function begin(invocation) {
  setAsyncContext({ __proto__: null, invocation });
}

function isLeftover() {
  const invocation = getAsyncContext()?.invocation;
  return invocation !== undefined && invocation !== current;
}

function say(level, values) {
  if (!isLeftover()) journal.add(level, values);
}

function resultOf(value) {
  let text;
  try {
    text = stringify(value) ?? "null";
  } catch (error) {
    return refused(
      "result-not-json",
      `The result is not JSON: ${messageOf(error)}`,
    );
  }
  if (text.length > limits.result) {
    return refused(
      "result-too-large",
      `The result has ${text.length} characters, at most ${limits.result} are taken`,
    );
  }
  if (isTooDeep(text)) {
    return refused(
      "result-too-large",
      `The result is nested deeper than ${MOST_LEVELS} levels`,
    );
  }
  return `"ok":true,"value":${text}`;
}

function refused(code, message) {
  return `"ok":false,"error":${ownError(code, message, "ResultError")}`;
}

// A failure that is not of the function's own making.
function ownError(code, message, name = "Error") {
  const text = stringify(slice(message, 0, MOST_MESSAGE));
  return `{"name":"${name}","message":${text},"code":"${code}"}`;
}

function messageOf(error) {
  try {
    return asString(error.message);
  } catch {
    return CANNOT_BE_SHOWN;
  }
}

// Properties of a thrown value may be getters or proxies of the function's own.
function describe(thrown) {
  let name = "Error", message = "", stack = "", isError = false;
  try {
    if (typeof thrown === "object" && thrown !== null) {
      isError = thrown instanceof AnyError;
      name = asString(thrown.name ?? "Error");
      message = asString(thrown.message ?? stringify(thrown));
      stack = ownFrames(asString(thrown.stack ?? ""));
    } else {
      message = asString(thrown);
    }
  } catch {
    message ||= "The function threw a value that cannot be read";
  }
  return `{"name":${stringify(slice(name, 0, MOST_NAME))},` +
    `"message":${stringify(slice(message, 0, MOST_MESSAGE))},` +
    `"stack":${stringify(stack)},"isError":${isError}}`;
}

// Frames of the host and of Deno tell the author nothing. The wrapper stands before the first line,
// and Deno writes the place of evaluated code as "index.js, <anonymous>:2:8".
let firstLineShift = PREFIX.length;
const FRAME = "    at ";
const PLACE = "index.js, <anonymous>:";
function ownFrames(stack) {
  let first = indexOf(stack, "\n" + FRAME);
  if (first < 0) first = stack.length;
  const header = slice(stack, 0, first < MOST_HEADER ? first : MOST_HEADER);
  let frames = "";
  for (let from = first + 1; from < stack.length;) {
    let end = indexOf(stack, "\n", from);
    if (end < 0) end = stack.length;
    const frame = ownFrame(slice(stack, from, end));
    if (frames.length + frame.length > MOST_FRAMES) break;
    frames += frame;
    from = end + 1;
  }
  return header + frames;
}

function ownFrame(line) {
  const at = indexOf(line, PLACE);
  if (at < 0) return "";
  const place = slice(line, at + PLACE.length);
  const colon = indexOf(place, ":");
  const row = slice(place, 0, colon);
  const column = slice(place, colon + 1);
  const shift = row === "1" ? firstLineShift : 0;
  const bracket = indexOf(column, ")") < 0 ? "" : ")";
  return "\n" + slice(line, 0, at) +
    `index.js:${row}:${toInteger(column, 10) - shift}${bracket}`;
}

function asText(value) {
  if (typeof value === "string") return value;
  try {
    if (value instanceof AnyError) {
      return ownFrames(asString(value.stack || value));
    }
    return asString(stringify(value) ?? asString(value));
  } catch {
    return CANNOT_BE_SHOWN;
  }
}

// JSON of any value.
function asJson(value) {
  try {
    if (value instanceof AnyError) {
      return `{"name":${stringify(asString(value.name))},` +
        `"message":${stringify(asString(value.message))}}`;
    }
    const text = stringify(value) ?? stringify(asString(value));
    if (!isTooDeep(text)) return text;
  } catch {
    // said below
  }
  return stringify(CANNOT_BE_SHOWN);
}

addEventListener("unhandledrejection", (event) => {
  preventDefault(event);
  if (!isLeftover()) current?.settle(false, reasonOf(event));
});
// Deno tells of an error when the context of what threw is over, so whose it is cannot be known here
// any more: timers are guarded for that.
addEventListener("error", (event) => {
  preventDefault(event);
  current?.settle(false, errorOf(event));
});
// The event loop is empty, so nothing is left that could answer.
addEventListener("beforeunload", (event) => {
  if (isLoading) refuseLoad(ownError("no-result", "The code waits for ever at its top level"));
  if (current === null) return; // the host itself has come to its end
  preventDefault(event);
  current?.fail("no-result", "The function ended without calling its callback");
});

// --- calls of the platform ---------------------------------------------------

const calls = { __proto__: null };
const waiting = { __proto__: null }; // until fewer are unanswered
let callsMade = 0; // of the current event
let lastCall = 0; // of all that were made
let lastSent = 0;
let unanswered = 0;
let isListening = false;
let whenAnswered = null;

// Resolves to what the platform answers, rejects with an Error and its code.
function call(op, values) {
  return new Later((resolve, reject) => {
    if (isLeftover() || current === null && !isLoading || current?.isSettled) {
      reject(new AnyError(EVENT_IS_OVER));
    } else if (++callsMade > limits.calls) {
      const message = `At most ${limits.calls} calls of the platform are answered for one event`;
      reject(coded("too-many-calls", message));
    } else {
      const number = ++lastCall;
      calls[number] = { resolve, reject };
      waiting[number] = `{"call":${number},"op":${stringify(op)},"arguments":${stringify(values)}}`;
      sendWaiting();
    }
  });
}

// Not all at once: who only writes and never reads would wait for the other side for ever.
function sendWaiting() {
  while (lastSent < lastCall && unanswered < MOST_UNANSWERED) {
    const number = ++lastSent;
    writeFrame(waiting[number]);
    delete waiting[number];
    unanswered++;
  }
  if (unanswered > 0 && !isListening) listen().catch(() => exit(1));
}

// The event is over: what was not sent is not asked any more.
function forgetWaiting() {
  while (lastSent < lastCall) {
    const number = ++lastSent;
    calls[number].reject(new AnyError(EVENT_IS_OVER));
    delete calls[number];
    delete waiting[number];
  }
}

async function listen() {
  isListening = true;
  while (unanswered > 0) {
    const frame = takeFrame();
    if (frame === null) {
      arrived(await readBeside(new Bytes(inbox.buffer, filled)));
      continue;
    }
    const { resolve, reject } = calls[frame.answer];
    delete calls[frame.answer];
    unanswered--;
    sendWaiting();
    if (hasOwn(frame, "error")) reject(coded(frame.error.code, frame.error.message));
    else resolve(frame.value);
  }
  isListening = false;
  const next = whenAnswered;
  whenAnswered = null;
  next?.();
}

function coded(code, message) {
  const error = new AnyError(message);
  defineProperty(error, "code", { value: code, enumerable: true, writable: true });
  return error;
}

// --- timers ------------------------------------------------------------------

function guarded(callback) {
  if (typeof callback !== "function") return callback;
  return function (...values) {
    try {
      return apply(callback, this, values);
    } catch (error) {
      if (!isLeftover()) current?.settle(false, error);
    }
  };
}

// Those of Node, with what hangs on them. Deno starts Node's layer when it is first asked for one.
const timers = { __proto__: null };
function timer(name) {
  if (timers[name]) return timers[name];
  const { get, value } = realTimers[name];
  const schedule = get ? apply(get, globalThis, []) : value;
  const { own } = {
    own(...values) {
      values[0] = guarded(values[0]);
      return apply(schedule, globalThis, values);
    },
  };
  return timers[name] = Object.defineProperties(own, Object.getOwnPropertyDescriptors(schedule));
}
const TIMERS = ["setTimeout", "setInterval", "setImmediate"];
const realTimers = { __proto__: null };
for (const name of TIMERS) {
  realTimers[name] = getOwnPropertyDescriptor(globalThis, name);
  defineProperty(globalThis, name, {
    get: () => timer(name),
    set: (value) => defineProperty(globalThis, name, { value, writable: true, configurable: true }),
    enumerable: true,
    configurable: true,
  });
}
defineProperty(globalThis, "queueMicrotask", {
  value: (callback) => microtask(guarded(callback)),
  writable: true,
  enumerable: true,
  configurable: true,
});

let nodeTimers = null;
function timersOfNode() {
  nodeTimers ??= Object.assign({}, node().getBuiltinModule("timers"), {
    setTimeout: timer("setTimeout"),
    setInterval: timer("setInterval"),
    setImmediate: timer("setImmediate"),
  });
  return nodeTimers;
}

// --- what user code sees -----------------------------------------------------

const console = {};
for (
  const [method, level] of Object.entries({
    debug: "Debug",
    trace: "Debug",
    log: "Info",
    info: "Info",
    warn: "Warn",
    error: "Error",
  })
) {
  console[method] = (...values) => say(level, values);
}
console.getTraceId = () => current?.traceId ?? "";

// Deno starts its Node layer when `globalThis.process` is first touched, which takes 40 ms: the
// common members are here, the rest comes from the real object when somebody asks for it.
const realProcess = getOwnPropertyDescriptor(globalThis, "process");
let nodeProcess = null;
function node() {
  nodeProcess ??= realProcess.get ? apply(realProcess.get, globalThis, []) : realProcess.value;
  return nodeProcess;
}
const startedAt = clock();
function hrtime(since) {
  const nanoseconds = round((clock() - startedAt) * 1e6);
  const time = [floor(nanoseconds / 1e9), nanoseconds % 1e9];
  if (!since) return time;
  const [seconds, rest] = [time[0] - since[0], time[1] - since[1]];
  return rest < 0 ? [seconds - 1, rest + 1e9] : [seconds, rest];
}
hrtime.bigint = () => BigInt(round((clock() - startedAt) * 1e6));
const members = {
  env: Object.create(null),
  argv: ["node", "index.js"],
  execArgv: [],
  title: "node",
  platform: "linux",
  arch: "x64",
  pid: 1,
  ppid: 0,
  exitCode: undefined,
  version: "v22.0.0",
  versions: { node: "22.0.0" },
  release: { name: "node" },
  cwd: () => "/",
  uptime: () => (clock() - startedAt) / 1000,
  hrtime,
  nextTick: (callback, ...values) => microtask(guarded(() => apply(callback, undefined, values))),
  emitWarning: (warning) => say("Warn", [asString(warning)]),
  exit: leave,
  abort: leave,
  stdout: {
    write: (text) => (say("Info", [asString(text)]), true),
    isTTY: false,
  },
  stderr: {
    write: (text) => (say("Error", [asString(text)]), true),
    isTTY: false,
  },
};
const process = new Proxy(members, {
  get: (own, name) => name in own || typeof name === "symbol" ? own[name] : node()[name],
});

function leave(code) {
  const message = `The function called process.exit(${code === undefined ? "" : asText(code)})`;
  if (!isLeftover()) current?.fail("process-exit", message);
  throw new AnyError(message);
}

const bundles = { __proto__: null };

function require(name) {
  const text = asString(name);
  const bare = slice(text, 0, 5) === "node:" ? slice(text, 5) : text;
  if (bare === "process") return process;
  if (bare === "console") return console;
  if (bare === "timers") return timersOfNode();
  if (bundles[text]) return bundles[text].exports;
  const source = bundled(text);
  if (source !== null) return evaluateBundle(text, source);
  const found = MODULES_KEPT_BACK[bare] ? null : node().getBuiltinModule(bare);
  if (!found) {
    throw coded(
      "MODULE_NOT_FOUND",
      `Cannot find module '${text}': it is not available to functions`,
    );
  }
  return found;
}

// What was made of a package when Houston was set up, or null. Which files there are is no secret,
// and no other can be read.
function bundled(name) {
  try {
    return readText(`${BUNDLES}${name}.cjs`);
  } catch {
    return null;
  }
}

// The toolbelt is the only one that talks to the platform.
function evaluateBundle(name, source) {
  const evaluate = globalEval(
    `(function(module,exports,require,process,console,global,Deno,platform){${source}\n})` +
      `\n//# sourceURL=${name}.js`,
  );
  const module = bundles[name] = { exports: {} };
  const values = [module, module.exports, require, process, console, globalThis, undefined];
  try {
    apply(evaluate, module.exports, [...values, TOOLBELTS[name] && platform]);
  } catch (error) {
    delete bundles[name];
    throw error;
  }
  return module.exports;
}

const realFetch = getOwnPropertyDescriptor(globalThis, "fetch");

async function connect(...values) {
  const fetch = realFetch.get ? apply(realFetch.get, globalThis, []) : realFetch.value;
  try {
    return await apply(fetch, globalThis, values);
  } catch (error) {
    throw notAllowed(error) ?? error;
  }
}

// A request is counted by the platform first, because a function may have many sandboxes.
async function fetch(...values) {
  if (!await call("http.permit", {})) {
    return new Response("Too many requests: 20 a second and function", { status: 429 });
  }
  return await connect(...values);
}

// Deno says: Requires net access to "host:443", run again with …; of the address that a name leads
// to it says so in the cause.
function notAllowed(error) {
  for (const said of [messageOf(error), messageOf(error?.cause)]) {
    const at = indexOf(said, REFUSAL);
    if (at < 0) continue;
    const from = at + REFUSAL.length;
    const host = slice(said, from, indexOf(said, '"', from));
    const refusal = new AnyError(
      `Cannot connect to "${host}": it is not in the account's allow-list, not on port 80 or 443, ` +
        "or has a private address",
    );
    refusal.name = "NotCapable";
    return refusal;
  }
  return null;
}
const REFUSAL = 'Requires net access to "';

let platform;

// --- load, run, check --------------------------------------------------------

let lambda = null;
let isLoading = false;

// {wrapper, shift}: the function around a source, and how many characters it puts before the first
// line. The source does not run yet. The engine looks at it alone first: a source that closes the
// wrapper's brace would otherwise run outside of it.
function compile(source) {
  try {
    new Compiled(source + "\n");
  } catch (error) {
    if (indexOf(error.message, "Single function literal") !== 0) throw error;
    throw new SyntaxFailure("Unexpected token '}'");
  }
  return { wrapper: globalEval(PREFIX + source + SUFFIX), shift: PREFIX.length };
}

// The same of an ES module, which the checker makes a script of.
function compileModule(made) {
  const kind = made.isAsync ? "async function" : "function";
  const prefix = `(function(process,console,global,Deno,${made.name}){return ${kind}` +
    `(module,exports,require){"use strict";${made.prelude}`;
  const suffix = `\n;return ${made.lambda};}})\n//# sourceURL=index.js`;
  return { wrapper: globalEval(prefix + made.source + suffix), shift: prefix.length };
}

// What a module's imports call, and its import() with a name alone: what require gives, with the
// names that Node gives it.
function imported(name, wanted, line, column) {
  let found;
  try {
    found = require(name);
  } catch (error) {
    throw line === undefined ? error : placed(error, line, column);
  }
  const isModule = found !== null && typeof found === "object" && found.__esModule;
  const names = Object.assign({ __proto__: null }, found);
  names.default = isModule && hasOwn(found, "default") ? found.default : found;
  for (const member in wanted) {
    if (member in names || found?.[member] !== undefined) continue;
    const [itsLine, itsColumn] = wanted[member];
    const message = `The module "${name}" has no export named "${member}"`;
    throw placed(new SyntaxFailure(message), itsLine, itsColumn);
  }
  for (const member in wanted) names[member] ??= found[member];
  return names;
}

function importLater(name, ...rest) {
  if (rest.length > 0) return imported(name, ...rest);
  return new Later((resolve) => resolve(imported(asString(name), {})));
}

// An error whose place in the author's source is known, although no code of theirs has run.
function placed(error, line, column) {
  const at = line === 1 ? column + firstLineShift : column;
  const stack = `${error.name}: ${error.message}\n${FRAME}${PLACE}${line}:${at}`;
  defineProperty(error, "stack", { value: stack });
  return error;
}

// Gives nothing, or a promise when the source waits at its top level.
function load(program, compiled) {
  limits = program.limits;
  firstLineShift = compiled.shift;
  members.env = Object.assign(Object.create(null), program.environment);
  platform = Object.freeze({ call, fetch: connect, facts: Object.freeze(program.facts) });
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
  isLoading = true;
  const loaded = apply(evaluate, module.exports, [module, module.exports, require]);
  const use = (found) => {
    isLoading = false;
    lambda = found;
    if (typeof lambda !== "function") throw new AnyError("There is no function named lambda");
  };
  if (compiled.isAsync) return loaded.then(use);
  use(loaded);
}

function refuseLoad(error) {
  writeFrame(`{"ready":false,"error":${error},${journal.text()}}`);
  exit(0);
}

// What V8 refuses as a script may be a module. If not, the checker knows where it is broken, which
// V8 does not say.
async function compileOrRefuse(error, source) {
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

async function loadLater(program, error) {
  const compiled = await compileOrRefuse(error, program.source);
  try {
    await load(program, compiled);
  } catch (failure) {
    refuseLoad(describe(failure));
  }
  writeFrame('{"ready":true}');
  if (unanswered === 0) serve();
  else whenAnswered = serve;
}

const EVENT_IS_OVER = "The event that asks is over";
const WRONG_ERROR =
  "callback was called with something else than an Error: use callback(new Error(…))";

function isError(value) {
  try {
    return value instanceof AnyError;
  } catch {
    return false;
  }
}

function run(invocation, event) {
  try {
    if (lambda.length >= 2) {
      const returned = lambda(event, (error, value) => {
        const ok = error === null || error === undefined;
        if (!ok && !isError(error)) say("Warn", [WRONG_ERROR]);
        invocation.settle(ok, ok ? value : error);
      });
      // The callback decides; only a rejection is an answer too.
      whenSettled(returned, undefined, (error) => {
        invocation.settle(false, error);
      });
    } else {
      const returned = lambda(event);
      const isPromise = whenSettled(
        returned,
        (value) => invocation.settle(true, value),
        (error) => invocation.settle(false, error),
      );
      if (!isPromise) invocation.settle(true, returned);
    }
  } catch (error) {
    invocation.settle(false, error);
  }
}

// False when the value is no promise and nothing like one.
function whenSettled(value, resolved, rejected) {
  if (
    value === null || typeof value !== "object" && typeof value !== "function"
  ) {
    return false;
  }
  const own = value.then;
  if (typeof own !== "function") return false;
  apply(own, value, [resolved, rejected]);
  return true;
}

async function check(source) {
  const checker = await import(CHECKER);
  let refusal = null;
  try {
    compile(source);
  } catch (error) {
    refusal = error instanceof SyntaxFailure ? error.message : "The code is nested too deeply";
    const made = error instanceof SyntaxFailure ? checker.asScript(source) : null;
    if (made !== null) {
      refusal = made.error?.message ?? null;
      try {
        if (made.error === null) compileModule(made);
      } catch (failure) {
        refusal = failure.message;
      }
    }
  }
  const problems = checker.check(source, refusal, (name) => {
    try {
      require(name);
      return true;
    } catch {
      return false;
    }
  });
  writeFrame(stringify({ problems }));
  serve();
}

// Runs frames until one is an event, whose answer goes on from there.
function serve() {
  try {
    for (;;) {
      const frame = readFrame();
      if (hasOwn(frame, "event")) {
        current = new Invocation(frame.id, frame.traceId);
        callsMade = 0;
        begin(current);
        run(current, frame.event);
        setAsyncContext(undefined); // what nobody's code goes back to is not this event's
        return;
      }
      if (hasOwn(frame, "check")) {
        check(frame.check).catch(() => exit(1));
        return;
      }
      let compiled;
      try {
        compiled = compile(frame.load.source);
      } catch (error) {
        loadLater(frame.load, error).catch(() => exit(1));
        return;
      }
      try {
        load(frame.load, compiled);
      } catch (error) {
        refuseLoad(describe(error));
      }
      writeFrame('{"ready":true}');
    }
  } catch {
    exit(1); // the channel is broken or user code has closed it
  }
}
serve();
