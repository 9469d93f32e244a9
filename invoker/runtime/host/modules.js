// Makes a script of an ES module, so that both kinds of functions run the same way. Every character
// of the author's own stays where it was: what is a module's alone becomes blank, and the imports
// are made before the first line.
import { parse, tokenizer, tokTypes } from "acorn";
import { base, full, recursive } from "acorn-walk";

const SYNTAX = { ecmaVersion: "latest", sourceType: "module", locations: true };
const OPENING = new Set([
  tokTypes.braceL,
  tokTypes.parenL,
  tokTypes.bracketL,
  tokTypes.dollarBraceL,
]);
const CLOSING = new Set([tokTypes.braceR, tokTypes.parenR, tokTypes.bracketR]);
// Says nothing of its own about names, and takes as many characters as the word "import".
const NAMES = Array.from("0123456789", (digit) => `$imp${digit}_`);

// The tree of a source that only makes sense as a module, or null. `error` is what is wrong with
// it: {message, line, column}.
export function parseModule(source) {
  let tree;
  try {
    tree = parse(source, SYNTAX);
  } catch (error) {
    if (!error.loc || !looksLikeModule(source)) return null;
    const { line, column } = error.loc;
    return { tree: null, error: { message: reason(error), line, column: column + 1 } };
  }
  return isModule(tree) ? { tree, error: null } : null;
}

// What acorn says without the place, which it puts in brackets behind.
function reason(error) {
  const at = error.message.lastIndexOf(" (");
  return at < 0 ? error.message : error.message.slice(0, at);
}

// Whether a source that cannot be parsed has a word outside of all brackets that only modules have.
function looksLikeModule(source) {
  let depth = 0, last = null;
  try {
    for (const { type } of tokenizer(source, SYNTAX)) {
      if (last === tokTypes._import && type !== tokTypes.parenL && type !== tokTypes.dot) {
        return true;
      }
      if (depth === 0 && type === tokTypes._export) return true;
      if (OPENING.has(type)) depth++;
      if (CLOSING.has(type)) depth--;
      last = depth === 0 ? type : null;
    }
  } catch {
    // not even words
  }
  return false;
}

function isModule(tree) {
  return tree.body.some(isDeclarationOfModule) || awaits(tree) || usesMeta(tree);
}

function isDeclarationOfModule({ type }) {
  return type === "ImportDeclaration" || type.startsWith("Export");
}

function awaits(tree) {
  let found = false;
  recursive(tree, null, {
    Function() {},
    AwaitExpression() {
      found = true;
    },
    ForOfStatement(node, state, visit) {
      found ||= node.await;
      base.ForOfStatement(node, state, visit);
    },
  });
  return found;
}

function usesMeta(tree) {
  let found = false;
  full(tree, ({ type, meta }) => {
    found ||= type === "MetaProperty" && meta.name === "import";
  });
  return found;
}

// {prelude, source, lambda, isAsync, error}, or null when the source is no module. `prelude` goes
// before the source on the same line and calls a function `name` that gives modules; `lambda` is
// the expression of the function to run.
export function asScript(source) {
  const parsed = parseModule(source);
  if (parsed === null || parsed.error !== null) return parsed;
  const { tree } = parsed;
  const name = NAMES.find((candidate) => !source.includes(candidate));
  if (name === undefined) {
    const error = { message: "Names like $imp0_ are taken by the platform", line: 1, column: 1 };
    return { error };
  }
  const text = new Text(source);
  let prelude = "", lambda = null, fallback = null;
  const exportAs = (exported, local) => {
    if (exported === "lambda") lambda = local;
    if (exported === "default") fallback = local;
  };
  for (const node of tree.body) {
    switch (node.type) {
      case "ImportDeclaration":
        if (node.attributes?.length) return { error: refusal(node, "only code can be imported") };
        prelude += imports(node, name);
        text.blank(node.start, node.end);
        break;
      case "ExportAllDeclaration":
        prelude += `${name}(${JSON.stringify(node.source.value)},{});`;
        text.blank(node.start, node.end);
        break;
      case "ExportNamedDeclaration":
        text.blank(node.start, node.declaration ? node.declaration.start : node.end);
        for (const local of declared(node.declaration)) exportAs(local, local);
        for (const { local, exported } of node.specifiers) {
          const found = named(local);
          const from = node.source && `${name}(${JSON.stringify(node.source.value)},{})`;
          exportAs(named(exported), from ? `${from}[${JSON.stringify(found)}]` : found);
        }
        break;
      case "ExportDefaultDeclaration":
        exportAs("default", defaultExport(node, name, text));
    }
  }
  full(tree, (node) => {
    if (node.type === "ImportExpression") text.replace(node.start, `${name}`);
    if (node.type === "MetaProperty" && node.meta.name === "import") {
      text.blank(node.start, node.end);
      text.replace(node.start, "({})");
    }
  });
  return {
    name,
    prelude,
    source: text.toString(),
    lambda: lambda ?? fallback ?? 'typeof lambda==="function"?lambda:undefined',
    isAsync: awaits(tree),
    error: null,
  };
}

// const {a,b:c}=name("module",{"a":[line,column],…});
function imports(node, name) {
  const module = JSON.stringify(node.source.value);
  const { line, column } = node.loc.start;
  const wanted = {}, bindings = [];
  let whole = "";
  for (const specifier of node.specifiers) {
    const local = specifier.local.name;
    if (specifier.type === "ImportNamespaceSpecifier") whole = local;
    else {
      const found = specifier.type === "ImportDefaultSpecifier"
        ? "default"
        : named(specifier.imported);
      wanted[found] = [specifier.loc.start.line, specifier.loc.start.column + 1];
      bindings.push(`${JSON.stringify(found)}:${local}`);
    }
  }
  const call = `${name}(${module},${JSON.stringify(wanted)},${line},${column + 1})`;
  if (whole) return `const ${whole}=${call}${bindings.length ? `,{${bindings}}=${whole}` : ""};`;
  return bindings.length ? `const {${bindings}}=${call};` : `${call};`;
}

// The name under which a default export is found.
function defaultExport(node, name, text) {
  const { declaration } = node;
  const isDeclaration = declaration.type === "FunctionDeclaration" ||
    declaration.type === "ClassDeclaration";
  text.blank(node.start, declaration.start);
  if (isDeclaration && declaration.id) return declaration.id.name;
  text.replace(node.start, `${name}.d=`);
  text.insert(node.end, ";");
  return `${name}.d`;
}

function declared(declaration) {
  if (!declaration) return [];
  if (declaration.id) return [declaration.id.name];
  return declaration.declarations.map(({ id }) => id.name).filter(Boolean);
}

function named(node) {
  return node.type === "Literal" ? node.value : node.name;
}

function refusal(node, why) {
  const { line, column } = node.loc.start;
  return {
    message: `Cannot import "${node.source.value}": ${why}`,
    line,
    column: column + 1,
  };
}

// A source in which characters are replaced one by one.
class Text {
  constructor(source) {
    this.units = source.split("");
  }

  blank(start, end) {
    for (let at = start; at < end; at++) {
      if (!"\n\r\u2028\u2029".includes(this.units[at])) this.units[at] = " ";
    }
  }

  replace(start, text) {
    for (let at = 0; at < text.length; at++) this.units[start + at] = text[at];
  }

  insert(at, text) {
    this.units[at - 1] += text;
  }

  toString() {
    return this.units.join("");
  }
}
