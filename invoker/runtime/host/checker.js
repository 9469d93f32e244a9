// Reads a function's source without running it. V8 has the last word on syntax; acorn says where.
import { parse } from "acorn";
import { full, simple } from "acorn-walk";
import { wrongCommands } from "./commands.js";
import { strangeHosts } from "./hosts.js";
import { asScript, parseModule } from "./modules.js";

export { asScript };

const MOST_PROBLEMS = 100;
const NO_FUNCTIONS = new Set([
  "Literal",
  "TemplateLiteral",
  "ObjectExpression",
  "ArrayExpression",
  "ClassExpression",
  "NewExpression",
]);

const GLOBALS = new Set(["globalThis", "global", "window", "self"]);
const TIMERS = new Set(["setTimeout", "setInterval", "setImmediate"]);

const SYNTAX = {
  ecmaVersion: "latest",
  sourceType: "script",
  locations: true,
  allowReturnOutsideFunction: true,
};

// Returns problems {code, message, line, column, severity}, lines and columns from 1; some say with
// endColumn how far they reach, with subject what they are about, with instead what is meant.
// `refusal` is V8's own syntax error, or null. `isKnown(name)` tells whether require() finds it.
// `about` is {commands: whether what it returns is carried out, hosts: [allowed], null: any}.
export function check(source, refusal, isKnown, about = { commands: false, hosts: null }) {
  if (refusal !== null) {
    const place = locate(source) ?? { line: null, column: null };
    return [{
      code: "invalid-syntax",
      message: refusal,
      severity: "error",
      ...place,
    }];
  }
  try {
    const tree = parseModule(source)?.tree ?? parse(source, SYNTAX);
    return [
      ...forbidden(tree),
      ...unknownModules(tree, isKnown),
      ...contract(tree),
      ...(about.commands ? wrongCommands(tree, findLambda(tree)) : []),
      ...(about.hosts ? strangeHosts(tree, about.hosts) : []),
    ].slice(0, MOST_PROBLEMS);
  } catch (error) {
    if (error instanceof SyntaxError) return []; // V8 runs it, acorn does not know it yet
    if (!(error instanceof RangeError)) throw error;
    // Code that runs may still be nested too deeply to be walked.
    return [{
      code: "not-checked",
      message: "The code is nested too deeply to look for more than its syntax",
      severity: "warning",
      line: null,
      column: null,
    }];
  }
}

// Where a source is broken, or null: V8 does not say, and acorn may not mind.
export function locate(source) {
  const module = asScript(source);
  if (module) return module.error;
  try {
    parse(source, SYNTAX);
  } catch (error) {
    if (error.loc) {
      return { line: error.loc.line, column: error.loc.column + 1 };
    }
  }
  return null;
}

function problem(code, message, node, severity = "error") {
  const { line, column } = node.loc.start;
  return { code, message, line, column: column + 1, severity };
}

// Found are the ways in which people write it, not those in which it is hidden: what holds strangers
// is the sandbox.
function forbidden(tree) {
  const found = [];
  const refuse = (name, node) => {
    found.push(problem("forbidden-code", `${name} is not available to functions`, node));
  };
  simple(tree, {
    CallExpression(node) {
      const name = calledName(node.callee);
      if (name === "eval" || name === "Function") refuse(name, node);
      if (TIMERS.has(name) && isText(node.arguments[0])) refuse(`${name} with a text`, node);
    },
    NewExpression(node) {
      if (calledName(node.callee) === "Function") refuse("new Function", node);
    },
  });
  return found;
}

// name, globalThis.name, and (0, name)
function calledName(callee) {
  if (callee.type === "Identifier") return callee.name;
  if (callee.type === "SequenceExpression") return calledName(callee.expressions.at(-1));
  if (callee.type === "ParenthesizedExpression") return calledName(callee.expression);
  if (
    callee.type === "MemberExpression" && !callee.computed &&
    callee.object.type === "Identifier" && GLOBALS.has(callee.object.name)
  ) return callee.property.name;
  return null;
}

function isText(node) {
  return node?.type === "TemplateLiteral" ||
    node?.type === "Literal" && typeof node.value === "string";
}

function unknownModules(tree, isKnown) {
  const found = [];
  const look = (name) => {
    if (name?.type !== "Literal" || typeof name.value !== "string" || isKnown(name.value)) return;
    const message = `There is no module "${name.value}" for functions`;
    const { start, end } = name.loc;
    found.push({
      ...problem("unknown-dependency", message, name),
      column: start.column + 2,
      endColumn: end.line === start.line ? end.column : null,
      subject: name.value.slice(0, 100),
    });
  };
  simple(tree, {
    CallExpression(node) {
      if (calledName(node.callee) === "require") look(node.arguments[0]);
    },
    ImportExpression(node) {
      look(node.source);
    },
    ImportDeclaration(node) {
      look(node.source);
    },
    ExportNamedDeclaration(node) {
      look(node.source);
    },
    ExportAllDeclaration(node) {
      look(node.source);
    },
  });
  return found;
}

function contract(tree) {
  const lambda = findLambda(tree);
  if (lambda === null) {
    if (exportsSomething(tree)) return [];
    return [{
      code: "no-lambda",
      message: "There is no function named lambda",
      line: null,
      column: null,
      severity: "error",
    }];
  }
  const callback = lambda.params?.[1];
  if (callback?.type !== "Identifier") return [];
  let uses = 0;
  full(lambda.body, (node) => {
    if (node.type === "Identifier" && node.name === callback.name) uses++;
  });
  if (uses > 0) return [];
  const message = `"${callback.name}" is never called, so the function never gives a result`;
  return [problem("callback-unused", message, callback, "warning")];
}

function findLambda(tree) {
  for (const outer of tree.body) {
    const statement = outer.type === "ExportNamedDeclaration" && outer.declaration || outer;
    if (
      statement.type === "FunctionDeclaration" && statement.id.name === "lambda"
    ) {
      return statement;
    }
    if (statement.type === "VariableDeclaration") {
      for (const { id, init } of statement.declarations) {
        if (id.type === "Identifier" && id.name === "lambda" && init) {
          return NO_FUNCTIONS.has(init.type) ? null : init;
        }
      }
    }
  }
  return null;
}

function exportsSomething(tree) {
  let found = false;
  full(tree, (node) => {
    found ||= node.type === "ExportDefaultDeclaration" ||
      node.type === "ExportNamedDeclaration" && node.specifiers.some(exportsLambda);
    if (
      node.type !== "AssignmentExpression" ||
      node.left.type !== "MemberExpression"
    ) return;
    const { object, property } = node.left;
    found ||= object.name === "exports" ||
      object.name === "module" && property.name === "exports" ||
      object.object?.name === "module" && object.property?.name === "exports";
  });
  return found;
}

function exportsLambda({ exported }) {
  const name = exported.type === "Literal" ? exported.value : exported.name;
  return name === "lambda" || name === "default";
}
