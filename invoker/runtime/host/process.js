// The process that functions see.
import {
  AnyError,
  apply,
  asString,
  clock,
  floor,
  microtask,
  readGlobal,
  realProcess,
  round,
} from "./kept.js";
import { current, isLeftover } from "./current.js";
import { say } from "./journal.js";
import { guarded } from "./timers.js";
import { asText } from "./values.js";

// Deno starts its Node layer when `globalThis.process` is first touched, which takes 40 ms: the
// common members are here, the rest comes from the real object when somebody asks for it.
let nodeProcess = null;
export function node() {
  return nodeProcess ??= readGlobal(realProcess);
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

export const process = new Proxy(members, {
  get: (own, name) => name in own || typeof name === "symbol" ? own[name] : node()[name],
});

export function setEnvironment(environment) {
  members.env = Object.assign(Object.create(null), environment);
}

function leave(code) {
  const message = `The function called process.exit(${code === undefined ? "" : asText(code)})`;
  if (!isLeftover()) current?.fail("process-exit", message);
  throw new AnyError(message);
}
