// Makes what runs inside the sandbox: `npm ci && node build.mjs` writes built/host.js, which every
// sandbox starts with and which is made small because Deno reads it each time, and into bundles/,
// the only folder that functions may read:
//
//   checker.js           what reads sources
//   <name>.cjs           the toolbelts, and what functions may require, one file each, so that it is
//                        read on its own
//   dependencies.json    [{name, version, documentation}] of those, for the console
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const OUT = "bundles";
// Where a person reads on, by the names in package.json that functions may require.
const DOCUMENTATION = {
  "@jsforce/jsforce-node": "https://jsforce.github.io",
  "es-toolkit": "https://es-toolkit.dev",
  "jsforce": "https://jsforce.github.io/document/",
  "jsonwebtoken": "https://github.com/auth0/node-jsonwebtoken",
  "lodash": "https://lodash.com/docs",
  "luxon": "https://moment.github.io/luxon/1.28.0/",
  "oauth-1.0a": "https://github.com/ddo/oauth-1.0a",
  "request": "https://github.com/request/request",
  "request-promise-native": "https://github.com/request/request-promise-native",
  "undici": "https://undici.nodejs.org",
  "uuid": "https://github.com/uuidjs/uuid",
};
// Houston's own, in the words for LivePerson's two generations of functions.
const TOOLBELTS = { "lp-faas-toolbelt": "V1", "core-functions-toolbelt": "V2" };
const names = Object.keys({ ...DOCUMENTATION, ...TOOLBELTS }).sort();
const { dependencies } = JSON.parse(await readFile("package.json", "utf8"));
const versions = { ...dependencies, ...TOOLBELTS };

const shared = {
  bundle: true,
  minify: true,
  legalComments: "none",
  logLevel: "warning",
};
const required = { ...shared, platform: "node", format: "cjs", target: "es2022" };

// Packages mention modules that functions don't get, for what they do not do here.
const STAND_INS = {
  "child_process": "", // how jsforce would ask Salesforce's command line
  "worker_threads": "exports.MessagePort=MessagePort;exports.markAsUncloneable=()=>{};",
};
const standIns = {
  name: "stand-ins",
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(node:)?(${Object.keys(STAND_INS).join("|")})$`);
    onResolve({ filter }, ({ path }) => ({
      path: path.replace("node:", ""),
      namespace: "stand-in",
    }));
    onLoad({ filter, namespace: "stand-in" }, ({ path }) => ({ contents: STAND_INS[path] }));
  },
};

// lodash asks Node what kind of value it has, and starts all of Node's layer for it, which takes
// 40 ms. It also knows without.
const NODES_OWN = "freeModule && freeModule.require && freeModule.require('util').types";
const lodashAlone = {
  name: "lodash-alone",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]lodash[\\/]lodash\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      if (!source.includes(NODES_OWN)) {
        throw new Error(`Cannot bundle lodash: "${NODES_OWN}" is not in it any more`);
      }
      return { contents: source.replace(NODES_OWN, "{}") };
    });
  },
};

function bundleDependency(name) {
  return build({
    ...required,
    // Not an entry point, which would be resolved as `import` resolves it.
    stdin: { contents: `module.exports = require(${JSON.stringify(name)});`, resolveDir: "." },
    outfile: `${OUT}/${name}.cjs`,
    plugins: [standIns, lodashAlone],
  });
}

function bundleToolbelt(name) {
  return build({
    ...required,
    entryPoints: [`toolbelt/${name}.js`],
    outfile: `${OUT}/${name}.cjs`,
    // Its clients load other bundles when they are first used.
    external: ["jsforce"],
  });
}

await Promise.all([
  build({
    ...shared,
    entryPoints: ["checker.js"],
    outdir: OUT,
    format: "esm",
    target: "es2022",
  }),
  build({ ...shared, entryPoints: ["host.js"], outdir: "built", format: "esm" }),
  ...Object.keys(TOOLBELTS).map(bundleToolbelt),
  ...Object.keys(DOCUMENTATION).map(bundleDependency),
]);
await writeFile(
  `${OUT}/dependencies.json`,
  JSON.stringify(
    names.map((name) => ({
      name,
      version: versions[name],
      documentation: DOCUMENTATION[name] ?? "",
    })),
  ),
);

// The folder stays the same one, because sandboxes that run are let into it and no other. What a
// build before this one left there could still be required.
const built = new Set([
  "host.js",
  "checker.js",
  "dependencies.json",
  ...names.map((name) => `${name}.cjs`),
]);
for (const name of await readdir(OUT, { recursive: true })) {
  if (/\.c?js$/.test(name) && !built.has(name)) await rm(`${OUT}/${name}`);
}
