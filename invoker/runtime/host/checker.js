// Reads a function's source without running it. V8 has the last word on syntax; acorn says where.
import { parse } from "acorn";
import { full, simple } from "acorn-walk";

const MOST_PROBLEMS = 100;
const NO_FUNCTIONS = new Set([
  "Literal",
  "TemplateLiteral",
  "ObjectExpression",
  "ArrayExpression",
  "ClassExpression",
  "NewExpression",
]);

const SYNTAX = {
  ecmaVersion: "latest",
  sourceType: "script",
  locations: true,
  allowReturnOutsideFunction: true,
};

// Returns problems {code, message, line, column, severity}, lines and columns from 1.
// `refusal` is V8's own syntax error, or null. `isKnown(name)` tells whether require() finds it.
export function check(source, refusal, isKnown) {
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
    const tree = parse(source, SYNTAX);
    return [
      ...forbidden(tree),
      ...unknownModules(tree, isKnown),
      ...contract(tree),
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

function forbidden(tree) {
  const found = [];
  simple(tree, {
    CallExpression(node) {
      if (node.callee.type === "Identifier" && node.callee.name === "eval") {
        found.push(
          problem("forbidden-code", "eval is not available to functions", node),
        );
      }
    },
    NewExpression(node) {
      if (
        node.callee.type === "Identifier" && node.callee.name === "Function"
      ) {
        found.push(
          problem(
            "forbidden-code",
            "new Function is not available to functions",
            node,
          ),
        );
      }
    },
  });
  return found;
}

function unknownModules(tree, isKnown) {
  const found = [];
  simple(tree, {
    CallExpression(node) {
      const [name] = node.arguments;
      if (node.callee.type !== "Identifier" || node.callee.name !== "require") {
        return;
      }
      if (
        name?.type === "Literal" && typeof name.value === "string" &&
        !isKnown(name.value)
      ) {
        found.push(
          problem(
            "unknown-dependency",
            `There is no module "${name.value}" for functions`,
            node,
          ),
        );
      }
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
  for (const statement of tree.body) {
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
