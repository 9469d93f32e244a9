// Finds addresses on hosts that the account's functions may not connect to, where they are used as
// addresses: as an argument, or under a name that says so. A link in a message is none.
import { full } from "acorn-walk";

const ADDRESS = /^(?:https?|wss?):\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?(?=[/?#]|$)/i;
const SAYS_ADDRESS = /ur[il]|host|endpoint|api|base|address|domain/i;
const SAYS_NOTHING = new Set([
  "log",
  "info",
  "warn",
  "error",
  "debug",
  "trace",
  "push",
  "callback",
]);

export function strangeHosts(tree, allowed) {
  const found = new Map();
  const look = (node) => {
    const text = textOf(node);
    const [whole, host] = ADDRESS.exec(text?.value ?? "") ?? [];
    // Half a host may go on in a variable.
    if (!host || !text.isWhole && whole.length === text.value.length) return;
    const name = host.toLowerCase();
    if (found.has(node.start) || isAllowed(name, allowed)) return;
    const column = node.loc.start.column + 2 + text.value.indexOf(host);
    found.set(node.start, {
      code: "host-not-allowed",
      message: `Functions of this account may not connect to ${name}: it is not on the allow-list`,
      line: node.loc.start.line,
      column,
      endColumn: column + host.length,
      severity: "warning",
      subject: name,
    });
  };
  full(tree, (node) => {
    if (node.type === "CallExpression" || node.type === "NewExpression") {
      const called = node.callee.property?.name ?? node.callee.name ?? "";
      if (!SAYS_NOTHING.has(called)) node.arguments.forEach(look);
    }
    if (node.type === "VariableDeclarator" && SAYS_ADDRESS.test(node.id.name ?? "")) {
      if (node.init) look(node.init);
    }
    if (node.type === "Property" && SAYS_ADDRESS.test(node.key.name ?? node.key.value ?? "")) {
      look(node.value);
    }
  });
  return [...found.values()];
}

function textOf(node) {
  if (node.type === "Literal" && typeof node.value === "string") {
    return { value: node.value, isWhole: true };
  }
  if (node.type !== "TemplateLiteral") return null;
  return { value: node.quasis[0].value.raw, isWhole: node.quasis.length === 1 };
}

function isAllowed(host, allowed) {
  return allowed.some((one) => one.startsWith("*.") ? host.endsWith(one.slice(1)) : host === one);
}
