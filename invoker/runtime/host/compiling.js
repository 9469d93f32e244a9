// Makes what the engine runs of the author's source.
import { BUNDLES, Compiled, globalEval, indexOf, SyntaxFailure } from "./kept.js";

// Reads sources. It is loaded for those that V8 refuses, and to check one.
export const CHECKER = `${BUNDLES}checker.js`;
// What is Node's own in the outer function, so that `const process = require("process")` is as good
// here as it is there.
const PREFIX = "(function(process,console,global,Deno){return function(module,exports,require){";
const SUFFIX = "\n;return typeof lambda==='function'?lambda:" +
  "module.exports.lambda||module.exports.default||module.exports;}})\n//# sourceURL=index.js";

// {wrapper, shift}: the function around a source, and how many characters it puts before the first
// line. The source does not run yet. The engine looks at it alone first: a source that closes the
// wrapper's brace would otherwise run outside of it.
export function compile(source) {
  try {
    new Compiled(source + "\n");
  } catch (error) {
    if (indexOf(error.message, "Single function literal") !== 0) throw error;
    throw new SyntaxFailure("Unexpected token '}'");
  }
  return { wrapper: globalEval(PREFIX + source + SUFFIX), shift: PREFIX.length };
}

// The same of an ES module, which the checker makes a script of.
export function compileModule(made) {
  const kind = made.isAsync ? "async function" : "function";
  const prefix = `(function(process,console,global,Deno,${made.name}){return ${kind}` +
    `(module,exports,require){"use strict";${made.prelude}`;
  const suffix = `\n;return ${made.lambda};}})\n//# sourceURL=index.js`;
  return { wrapper: globalEval(prefix + made.source + suffix), shift: prefix.length };
}
