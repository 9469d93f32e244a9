// Bundles the code editor of the console: `npm ci && node build.mjs` writes dist/, which Django
// serves under the static prefix "editor". Needs Node 20 or newer, and no install script of a
// package: esbuild's binary is a package of its own.
//
//   editor.js, editor.css, codicon.ttf   what a page links; see the head of editor.js
//   ts.worker.js, json.worker.js, editor.worker.js
//                                        what editor.js starts, by the addresses the page gives
//   runtime.d.ts                         what a function finds at run time and what it may require,
//                                        for `types="…"`
//   types/<package>.json                 declarations of the packages that have some, for
//                                        `packages="…"`
//   LICENSE, ThirdPartyNotices.txt       Monaco's
//   *.LEGAL.txt                          notices that its files carry, which minifying would lose
//
// The names carry no hash, because Django's manifest storage adds one. It rewrites the address of
// the font in editor.css, which is therefore relative.
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { declarationsOf, TYPED } from "./packages.mjs";

const OUT = "dist";
const MONACO = "node_modules/monaco-editor";
// A function runs without a DOM, so the descriptions of browsers and of Windows Script Host, a
// third of the worker, would never be read.
const LIBRARIES_USED = /^lib\.(es5|es20(1[5-9]|2[0-4])(\.\w+)*|decorators(\.legacy)?)\.d\.ts$/;

const onlyUsedLibraries = {
  name: "only-used-libraries",
  setup(bundler) {
    bundler.onLoad(
      { filter: /[\\/]typescript[\\/]lib[\\/]lib\.js$/ },
      async ({ path }) => {
        const { libFileMap } = await import(path);
        const used = Object.entries(libFileMap)
          .filter(([name]) => LIBRARIES_USED.test(name) && !name.endsWith(".full.d.ts"));
        if (!used.some(([name]) => name === "lib.es2024.d.ts")) {
          throw new Error(
            `Cannot build the editor: "${path}" has no lib.es2024.d.ts any more`,
          );
        }
        return {
          contents: `export const libFileMap = ${JSON.stringify(Object.fromEntries(used))};`,
        };
      },
    );
  },
};

const shared = {
  outdir: OUT,
  bundle: true,
  minify: true,
  target: "es2022",
  legalComments: "external",
  logLevel: "warning",
};

await rm(OUT, { recursive: true, force: true });
await Promise.all([
  build({
    ...shared,
    entryPoints: ["editor.js"],
    format: "esm",
    loader: { ".ttf": "file" },
    assetNames: "[name]",
  }),
  build({
    ...shared,
    entryPoints: {
      "ts.worker": "./worker.js",
      "json.worker": "monaco-editor/languages/features/json/json.worker",
      "editor.worker": "monaco-editor/editor/editor.worker",
    },
    format: "iife",
    plugins: [onlyUsedLibraries],
  }),
]);
await mkdir(`${OUT}/types`);
await Promise.all(
  Object.keys(TYPED).map(async (name) =>
    writeFile(`${OUT}/types/${name}.json`, JSON.stringify(await declarationsOf(name)))
  ),
);
const declarations = ["runtime.d.ts", "toolbelt.d.ts"].map((name) => readFile(name, "utf8"));
await Promise.all([
  writeFile(`${OUT}/runtime.d.ts`, (await Promise.all(declarations)).join("\n")),
  cp(`${MONACO}/LICENSE`, `${OUT}/LICENSE`),
  cp(`${MONACO}/ThirdPartyNotices.txt`, `${OUT}/ThirdPartyNotices.txt`),
]);
