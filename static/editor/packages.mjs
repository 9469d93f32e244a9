// The types of packages that functions may require, each as one JSON file {path: text} of the
// declarations that its entry reaches. The editor fetches a package's when the code names it.
import { readFile, stat } from "node:fs/promises";
import { posix } from "node:path";

// Where the declarations of each are; those of the other packages are of no use without Node's.
export const TYPED = {
  "es-toolkit": "es-toolkit/dist/index.d.ts",
  "jsonwebtoken": "@types/jsonwebtoken/index.d.ts",
  "lodash": "@types/lodash/index.d.ts",
  "luxon": "@types/luxon/index.d.ts",
  "oauth-1.0a": "oauth-1.0a/oauth-1.0a.d.ts",
  "undici": "undici-types/index.d.ts",
  "uuid": "@types/uuid/index.d.ts",
};
const REACHES = [
  /(?:from|import)\s*\(?\s*["'](\.[^"']*)["']/g,
  /require\(["'](\.[^"']*)["']\)/g,
  /<reference path=["']([^"']+)["']/g,
];

const at = (path) => new URL(`node_modules/${path}`, import.meta.url);

export async function declarationsOf(name) {
  const found = {};
  const folder = posix.dirname(TYPED[name]);
  const waiting = [TYPED[name]];
  while (waiting.length > 0) {
    const path = waiting.pop();
    const inside = posix.relative(folder, path);
    if (inside in found) continue;
    found[inside] = await readFile(at(path), "utf8");
    const reached = REACHES.flatMap((pattern) => [...found[inside].matchAll(pattern)]);
    for (const [, other] of reached) {
      waiting.push(await declarationAt(posix.join(posix.dirname(path), other)));
    }
  }
  const entry = posix.basename(TYPED[name], ".d.ts");
  // Where a package is looked for.
  found["index.d.ts"] ??= `import all = require("./${entry}");\nexport = all;\n`;
  return found;
}

async function declarationAt(path) {
  const bare = path.replace(/(\.d\.ts|\.js)$/, "");
  const candidates = [`${bare}.d.ts`, `${path}.d.ts`, `${bare}/index.d.ts`];
  for (const one of candidates) {
    const isThere = await stat(at(one)).then(() => true, () => false);
    if (isThere) return one;
  }
  throw new Error(`Cannot build the editor: there are no declarations at "${path}"`);
}
