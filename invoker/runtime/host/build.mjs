// Bundles what runs inside the sandbox from npm: `npm ci && node build.mjs` writes bundles/.
import { build } from "esbuild";

await build({
  entryPoints: ["checker.js"],
  outdir: "bundles",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
});
