// Finds commands that the controller bot would drop: those it does not know, those that lack what
// they need, and the second of a type. Only what is written out is looked at.
import { full } from "acorn-walk";

const FIELDS = {
  systemMessage: ["text"],
  transfer: ["skillId", "agentId"],
  closeConversation: [],
};
const TYPES = Object.keys(FIELDS);

export function wrongCommands(tree, lambda) {
  const named = namedValues(tree);
  const following = pushedBeside(tree);
  const lists = [];
  const seen = new Set();
  const take = (node) => {
    if (!node || seen.has(node)) return;
    seen.add(node);
    if (node.type === "ObjectExpression") lists.push([node]);
    else if (node.type === "ArrayExpression") {
      const more = following.get(node) ?? [];
      more.forEach((one) => seen.add(one));
      lists.push([...node.elements, ...more].filter(isObject));
    } else if (node.type === "ConditionalExpression") {
      [node.consequent, node.alternate].forEach(take);
    } else if (node.type === "LogicalExpression") [node.left, node.right].forEach(take);
    else if (node.type === "Identifier") named.get(node.name)?.forEach(take);
  };
  results(lambda).forEach(take);
  return lists.flatMap(problemsOf);
}

function isObject(node) {
  return node?.type === "ObjectExpression";
}

// By name: what a variable begins with, and what is pushed into it.
function namedValues(tree) {
  const named = new Map();
  const add = (name, node) => {
    if (node) named.set(name, [...(named.get(name) ?? []), node]);
  };
  full(tree, (node) => {
    if (node.type === "VariableDeclarator" && node.id.type === "Identifier") {
      add(node.id.name, node.init);
    }
    if (node.type === "AssignmentExpression" && node.left.type === "Identifier") {
      add(node.left.name, node.right);
    }
    const callee = node.type === "CallExpression" ? node.callee : null;
    if (callee?.type !== "MemberExpression" || callee.object.type !== "Identifier") return;
    if (callee.property.name !== "push" && callee.property.name !== "unshift") return;
    node.arguments.filter(isObject).forEach((one) => add(callee.object.name, one));
  });
  return named;
}

// By list: what is pushed into its variable in the same block, so whenever the list is made.
function pushedBeside(tree) {
  const pushed = new Map();
  full(tree, (node) => {
    if (!Array.isArray(node.body)) return;
    const lists = new Map();
    for (const statement of node.body) {
      for (const { id, init } of statement.declarations ?? []) {
        if (init?.type === "ArrayExpression") lists.set(id.name, init);
      }
      const call = statement.type === "ExpressionStatement" ? statement.expression : null;
      if (call?.type !== "CallExpression" || call.callee.property?.name !== "push") continue;
      const list = lists.get(call.callee.object.name);
      if (list) pushed.set(list, [...(pushed.get(list) ?? []), ...call.arguments]);
    }
  });
  return pushed;
}

// What the lambda gives: to its callback, or without one, back.
function results(lambda) {
  if (!lambda?.body) return [];
  const [, callback] = lambda.params ?? [];
  const found = [];
  if (!callback) {
    if (lambda.type === "ArrowFunctionExpression" && lambda.expression) found.push(lambda.body);
    returned(lambda.body, found);
    return found;
  }
  full(lambda.body, (node) => {
    if (node.type === "CallExpression" && node.callee.name === callback.name) {
      found.push(node.arguments[1]);
    }
  });
  return found;
}

// The lambda's own returns, not those of the functions in it.
function returned(node, found) {
  if (Array.isArray(node)) node.forEach((one) => returned(one, found));
  if (!node?.type || /Function|Class/.test(node.type)) return;
  if (node.type === "ReturnStatement") found.push(node.argument);
  for (const value of Object.values(node)) {
    if (value !== null && typeof value === "object") returned(value, found);
  }
}

function problemsOf(list) {
  const found = [];
  const types = new Set();
  for (const object of list) {
    const members = object.properties.filter(({ type }) => type === "Property");
    const isWhole = members.length === object.properties.length;
    const type = members.find((member) => nameOf(member) === "type")?.value;
    if (type?.type !== "Literal" || typeof type.value !== "string") continue;
    const name = type.value;
    if (!TYPES.includes(name)) {
      found.push(problem("unknown-command", `"${name}" is no command: ${TYPES.join(", ")}`, type, {
        subject: name,
        instead: nearest(name, TYPES),
      }));
      continue;
    }
    if (types.has(name)) {
      const message = `Only the first ${name} is carried out, this one is dropped`;
      found.push(problem("second-command", message, type, { subject: name }));
    }
    types.add(name);
    found.push(...wrongFields(name, type, members, isWhole));
  }
  return found;
}

function wrongFields(name, type, members, isWhole) {
  const fields = FIELDS[name];
  const given = members.filter((member) => nameOf(member) !== "type");
  const found = given
    .filter((member) => nameOf(member) !== null && !fields.includes(nameOf(member)))
    .map((member) => {
      const takes = fields.length ? fields.join(", ") : "nothing else";
      const message = `A ${name} has no "${nameOf(member)}": it takes ${takes}`;
      const instead = member.key.type === "Identifier" ? nearest(nameOf(member), fields) : "";
      return problem("unknown-field", message, member.key, { subject: nameOf(member), instead });
    });
  const hasSome = given.some((member) =>
    nameOf(member) === null || fields.includes(nameOf(member))
  );
  if (isWhole && fields.length && !hasSome && found.length === 0) {
    found.push(problem("missing-field", `A ${name} needs ${fields.join(" or ")}`, type, {}));
  }
  return found;
}

function nameOf({ key, computed }) {
  if (computed) return null;
  return key.type === "Identifier" ? key.name : String(key.value);
}

function problem(code, message, node, { subject = "", instead = "" }) {
  const { start, end } = node.loc;
  const isText = node.type === "Literal";
  return {
    code,
    message,
    line: start.line,
    column: start.column + 1 + (isText ? 1 : 0),
    endColumn: end.line === start.line ? end.column + (isText ? 0 : 1) : null,
    severity: "warning",
    subject: subject.slice(0, 100),
    instead,
  };
}

// What is meant by a misspelt word, or nothing when it is like none.
function nearest(word, words) {
  const best = words
    .map((one) => ({ one, far: distance(word.slice(0, 40).toLowerCase(), one.toLowerCase()) }))
    .sort((left, right) => left.far - right.far)[0];
  return best && best.far <= Math.max(2, best.one.length / 3) ? best.one : "";
}

function distance(left, right) {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let at = 1; at <= left.length; at++) {
    const next = [at];
    for (let to = 1; to <= right.length; to++) {
      const change = row[to - 1] + (left[at - 1] === right[to - 1] ? 0 : 1);
      next.push(Math.min(change, row[to] + 1, next[to - 1] + 1));
    }
    row = next;
  }
  return row.at(-1);
}
