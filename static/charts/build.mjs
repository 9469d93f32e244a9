// Bundles the charts of the console: `npm ci && node build.mjs` writes dist/, which Django serves
// under the static prefix "charts". Needs Node 20 or newer.
//
//   charts.js    draws every <figure data-chart>; see the head of charts.js
//   charts.css   uPlot's own, a link like any other: nothing is styled inline by the page
//   LICENSE      uPlot's
import { cp, rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: { charts: "charts.js" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "inline",
});
await cp("node_modules/uplot/dist/uPlot.min.css", "dist/charts.css");
await cp("node_modules/uplot/LICENSE", "dist/LICENSE");
