// What runs inside Deno: one process serves one program, one event at a time.
//
// The channel is fd 0, a Unix stream socket: frames of a little-endian u32 length and JSON. Between
// two events the isolate is blocked in read(2), so nothing that a function left behind (timers,
// sockets, promises) can go on. User code shares this process; it can forge its own answers and
// nobody else's. What must hold against it is the process's confinement, not this file.
//
//   to the host     {"load":{source,environment,limits}}  {"id","event"}  {"check":source}
//   from the host   {"ready":true} or {"ready":false,"error"}
//                   {"id","ok":true,"value","logs","dropped","ms"}  {"id","ok":false,"error",…}
//                   {"problems":[…]}

const deno = globalThis.Deno;
// User code may replace any global: keep what the host itself needs.
const { stdin, stdout, exit } = deno;
const { parse, stringify } = JSON;
const readSync = stdin.readSync.bind(stdin);
const writeSync = stdout.writeSync.bind(stdout);
const clock = performance.now.bind(performance);
const now = Date.now;
const globalEval = globalThis.eval;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const microtask = queueMicrotask;
const Compiled = Function;

const PREFIX = "(function(module,exports,require,process,console,global,Deno){";
const SUFFIX = "\n;return typeof lambda==='function'?lambda:" +
  "module.exports.lambda||module.exports.default||module.exports;})\n//# sourceURL=index.js";
const NODE_MODULES_KEPT_BACK = new Set([
  "child_process",
  "cluster",
  "inspector",
  "inspector/promises",
  "module",
  "repl",
  "sea",
  "sqlite",
  "test",
  "trace_events",
  "v8",
  "wasi",
  "worker_threads",
]);

// --- frames ------------------------------------------------------------------

let inbox = new Uint8Array(65536);
let filled = 0;

function readFrame() {
  for (;;) {
    if (filled >= 4) {
      const size = new DataView(inbox.buffer).getUint32(0, true);
      if (inbox.length < size + 4) {
        const larger = new Uint8Array(size + 4);
        larger.set(inbox.subarray(0, filled));
        inbox = larger;
      }
      if (filled >= size + 4) {
        const text = decoder.decode(inbox.subarray(4, size + 4));
        inbox.copyWithin(0, size + 4, filled);
        filled -= size + 4;
        return parse(text);
      }
    }
    const count = readSync(inbox.subarray(filled));
    if (!count) exit(0); // the client is gone
    filled += count;
  }
}

// Half of a character cannot be said in UTF-8, but cutting a text makes some. JSON.stringify
// escapes just those with \ud8…, and a backslash with another one.
const HALVES = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;
function whole(json) {
  return json.includes("\\ud")
    ? json.replace(HALVES, (found) => found === "\\\\" ? found : "\ufffd")
    : json;
}

function writeFrame(text) {
  const body = encoder.encode(whole(text));
  const frame = new Uint8Array(body.length + 4);
  new DataView(frame.buffer).setUint32(0, body.length, true);
  frame.set(body, 4);
  for (let sent = 0; sent < frame.length;) {
    sent += writeSync(frame.subarray(sent));
  }
}

// --- the running invocation --------------------------------------------------

let limits = { entries: 10, characters: 16384, result: 262144 };
let current = null;

class Invocation {
  constructor(id) {
    this.id = id;
    this.startedAt = clock();
    this.logs = [];
    this.characters = 0;
    this.dropped = 0;
    this.ended = new Promise((resolve) => this.end = resolve);
  }

  log(level, values) {
    const [message, ...extras] = values;
    const entry = stringify({
      level,
      message: asText(message),
      extras: extras.map(asJson),
      timestamp: now(),
    });
    if (
      this.logs.length >= limits.entries ||
      this.characters + entry.length > limits.characters
    ) {
      this.dropped++;
      return;
    }
    this.characters += entry.length;
    this.logs.push(entry);
  }

  settle(ok, value) {
    if (current !== this) return; // only the first answer counts
    let outcome;
    if (ok) {
      try {
        outcome = this.#result(value);
      } catch (error) {
        outcome = failure(error);
      }
    } else {
      outcome = failure(value);
    }
    current = null;
    const ms = (clock() - this.startedAt).toFixed(3);
    writeFrame(
      `{"id":${this.id},${outcome},"logs":[${this.logs.join()}],"dropped":${this.dropped},"ms":${ms}}`,
    );
    this.end();
  }

  #result(value) {
    let text;
    try {
      text = stringify(value) ?? "null";
    } catch (error) {
      throw named(
        "ResultError",
        `The result is not JSON: ${error.message}`,
        "result-not-json",
      );
    }
    if (text.length > limits.result) {
      throw named(
        "ResultError",
        `The result has ${text.length} characters, at most ${limits.result} are taken`,
        "result-too-large",
      );
    }
    return `"ok":true,"value":${text}`;
  }
}

function failure(error) {
  return `"ok":false,"error":${describe(error)}`;
}

function named(name, message, code) {
  const error = new Error(message);
  error.name = name;
  ours.set(error, code);
  return error;
}
// Codes of the host's own errors, out of reach of user code.
const ours = new WeakMap();

// Properties of a thrown value may be getters or proxies of the function's own.
function describe(thrown) {
  let name = "Error", message = "", stack = "", isError = false, code = null;
  try {
    if (
      typeof thrown === "object" && thrown !== null ||
      typeof thrown === "function"
    ) {
      isError = thrown instanceof Error;
      code = ours.get(thrown) ?? null;
      name = String(thrown.name ?? "Error");
      message = String(thrown.message ?? stringify(thrown));
      stack = String(thrown.stack ?? "");
    } else {
      message = String(thrown);
    }
  } catch {
    message = message || "The function threw a value that cannot be read";
  }
  return stringify({
    name: name.slice(0, 200),
    message: message.slice(0, 4000),
    stack: ownFrames(stack),
    isError,
    code,
  });
}

// Frames of the host and of Deno tell the author nothing. The wrapper stands before the first line,
// and Deno writes the place of evaluated code as "index.js, <anonymous>:2:8".
function ownFrames(stack) {
  return stack.split("\n")
    .filter((line) =>
      !/^\s+at /.test(line) || line.includes("index.js, <anonymous>")
    )
    .join("\n")
    .replace(/index\.js, <anonymous>:(\d+):(\d+)/g, (_, line, column) => {
      const shift = line === "1" ? PREFIX.length : 0;
      return `index.js:${line}:${column - shift}`;
    })
    .slice(0, 4000);
}

function asText(value) {
  if (typeof value === "string") return value;
  try {
    if (value instanceof Error) return ownFrames(String(value.stack || value));
    return stringify(value) ?? String(value);
  } catch {
    return "[a value that cannot be shown]";
  }
}

function asJson(value) {
  try {
    if (value instanceof Error) {
      return { name: String(value.name), message: String(value.message) };
    }
    return parse(stringify(value) ?? stringify(String(value)));
  } catch {
    return "[a value that cannot be shown]";
  }
}

addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  current?.settle(false, event.reason);
});
addEventListener("error", (event) => {
  event.preventDefault();
  current?.settle(false, event.error);
});
// The event loop is empty, so nothing is left that could answer.
addEventListener("beforeunload", (event) => {
  event.preventDefault();
  current?.settle(
    false,
    named(
      "Error",
      "The function ended without calling its callback",
      "no-result",
    ),
  );
});

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
  console[method] = (...values) => current?.log(level, values);
}

// Deno starts its Node layer when `globalThis.process` is first touched, which takes 40 ms: the
// common members are here, the rest comes from the real object when somebody asks for it.
const realProcess = Object.getOwnPropertyDescriptor(globalThis, "process");
let nodeProcess = null;
function node() {
  nodeProcess ??= realProcess.get
    ? realProcess.get.call(globalThis)
    : realProcess.value;
  return nodeProcess;
}
const startedAt = clock();
function hrtime(since) {
  const nanoseconds = Math.round((clock() - startedAt) * 1e6);
  const time = [Math.floor(nanoseconds / 1e9), nanoseconds % 1e9];
  if (!since) return time;
  const [seconds, rest] = [time[0] - since[0], time[1] - since[1]];
  return rest < 0 ? [seconds - 1, rest + 1e9] : [seconds, rest];
}
hrtime.bigint = () => BigInt(Math.round((clock() - startedAt) * 1e6));
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
  nextTick: (callback, ...values) => microtask(() => callback(...values)),
  emitWarning: (warning) => current?.log("Warn", [String(warning)]),
  exit: leave,
  abort: leave,
  stdout: {
    write: (text) => (current?.log("Info", [String(text)]), true),
    isTTY: false,
  },
  stderr: {
    write: (text) => (current?.log("Error", [String(text)]), true),
    isTTY: false,
  },
};
const process = new Proxy(members, {
  get: (own, name) =>
    name in own || typeof name === "symbol" ? own[name] : node()[name],
});

function leave(code) {
  const error = named(
    "Error",
    `The function called process.exit(${code ?? ""})`,
    "process-exit",
  );
  current?.settle(false, error);
  throw error;
}

function require(name) {
  const bare = String(name).replace(/^node:/, "");
  if (bare === "process") return process;
  const found = NODE_MODULES_KEPT_BACK.has(bare)
    ? null
    : node().getBuiltinModule(bare);
  if (!found) {
    const error = new Error(
      `Cannot find module '${name}': it is not available to functions`,
    );
    error.code = "MODULE_NOT_FOUND";
    throw error;
  }
  return found;
}

// --- load, run, check --------------------------------------------------------

let lambda = null;

// Gives the wrapper around a source without running the source. The engine looks at it alone
// first: a source that closes the wrapper's brace would otherwise run outside of it.
function compile(source) {
  try {
    new Compiled(source + "\n");
  } catch (error) {
    if (!error.message.startsWith("Single function literal")) throw error;
    throw new SyntaxError("Unexpected token '}'");
  }
  return globalEval(PREFIX + source + SUFFIX);
}

function load(program) {
  limits = program.limits;
  members.env = Object.assign(Object.create(null), program.environment);
  const fixed = { writable: true, configurable: true, enumerable: false };
  Object.defineProperty(globalThis, "process", { value: process, ...fixed });
  Object.defineProperty(globalThis, "console", { value: console, ...fixed });
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
  const evaluate = compile(program.source);
  lambda = evaluate(
    module,
    module.exports,
    require,
    process,
    console,
    globalThis,
    undefined,
  );
  if (typeof lambda !== "function") {
    throw named("Error", "There is no function named lambda", "no-lambda");
  }
}

async function run(frame) {
  const invocation = current = new Invocation(frame.id);
  try {
    if (lambda.length >= 2) {
      const returned = lambda(frame.event, (error, value) => {
        if (error === null || error === undefined) {
          invocation.settle(true, value);
        } else invocation.settle(false, error);
      });
      // The callback decides; only a rejection is an answer too.
      if (typeof returned?.then === "function") {
        returned.then(undefined, (error) => invocation.settle(false, error));
      }
    } else {
      const returned = lambda(frame.event);
      if (typeof returned?.then === "function") {
        returned.then(
          (value) => invocation.settle(true, value),
          (error) => invocation.settle(false, error),
        );
      } else invocation.settle(true, returned);
    }
  } catch (error) {
    invocation.settle(false, error);
  }
  await invocation.ended;
}

async function check(source) {
  let refused = null;
  try {
    compile(source);
  } catch (error) {
    refused = String(error.message);
  }
  const checker = await import(
    new URL("./bundles/checker.js", import.meta.url)
  );
  return checker.check(source, refused, (name) => {
    try {
      require(name);
      return true;
    } catch {
      return false;
    }
  });
}

// Not at top level: with an empty event loop Deno would end the module instead of asking
// `beforeunload`.
async function main() {
  for (;;) {
    const frame = readFrame();
    if (frame.load) {
      try {
        load(frame.load);
        writeFrame('{"ready":true}');
      } catch (error) {
        writeFrame(`{"ready":false,"error":${describe(error)}}`);
        exit(0);
      }
    } else if (frame.check !== undefined) {
      writeFrame(stringify({ problems: await check(frame.check) }));
    } else {
      await run(frame);
    }
  }
}
main();
