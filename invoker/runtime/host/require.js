// What require gives to functions, and import.
import {
  apply,
  asString,
  BUNDLES,
  globalEval,
  hasOwn,
  Later,
  readText,
  slice,
  SyntaxFailure,
} from "./kept.js";
import { call } from "./calls.js";
import { console } from "./console.js";
import { coded, placed } from "./failures.js";
import { connect } from "./fetching.js";
import { node, process } from "./process.js";
import { timer } from "./timers.js";

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
const TOOLBELTS = {
  __proto__: null,
  "lp-faas-toolbelt": true,
  "core-functions-toolbelt": true,
};

const bundles = { __proto__: null };
let platform;

// The toolbelt gets it, with what the program is to know.
export function offerPlatform(facts) {
  platform = Object.freeze({ call, fetch: connect, facts: Object.freeze(facts) });
}

export function require(name) {
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

export function importLater(name, ...rest) {
  if (rest.length > 0) return imported(name, ...rest);
  return new Later((resolve) => resolve(imported(asString(name), {})));
}

let nodeTimers = null;
function timersOfNode() {
  nodeTimers ??= Object.assign({}, node().getBuiltinModule("timers"), {
    setTimeout: timer("setTimeout"),
    setInterval: timer("setInterval"),
    setImmediate: timer("setImmediate"),
  });
  return nodeTimers;
}
