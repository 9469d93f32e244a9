// Checks functions as the editor does, in its own TypeScript and with what its worker adds:
// {checks: [{source, declarations, environment?, at?}]} on stdin, on stdout
// {snippets: [{prefix, text}], found: […]} with for each
// {problems: [{code, line, column, message, fixes: [text]}], completions: [name], hover: text};
// `at` is the offset that is completed at and hovered over.
import { annotatedDocuments } from "../../static/editor/lambda.js";

const editor = new URL("../../static/editor/", import.meta.url);
const typescript = new URL(
  "node_modules/monaco-editor/esm/vs/languages/features/typescript/lib/",
  editor,
);
const { typescript: ts } = await import(new URL("typescriptServices.js", typescript));
const { libFileMap } = await import(new URL("lib.js", typescript));
const { COMPILER_OPTIONS, IGNORED, isHelpful, isNoise } = await import(
  new URL("checked.js", editor)
);

const runtime = await Deno.readTextFile(new URL("runtime.d.ts", editor)) +
  await Deno.readTextFile(new URL("toolbelt.d.ts", editor));
const FUNCTION = "file:///1/index.js";
const files = new Map([["file:///runtime.d.ts", runtime]]);
let version = 0;
const readFile = (name) => files.get(name) ?? libFileMap[name] ?? libFileMap[`lib.${name}.d.ts`];
const service = ts.createLanguageService({
  getCompilationSettings: () => COMPILER_OPTIONS,
  getScriptFileNames: () => [...files.keys()],
  getScriptVersion: (name) => /\d|input/.test(name) ? String(version) : "1",
  getScriptSnapshot: (name) => {
    const text = readFile(name);
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
  },
  getScriptKind: (name) => name.endsWith(".js") ? ts.ScriptKind.JS : ts.ScriptKind.TS,
  getCurrentDirectory: () => "",
  getDefaultLibFileName: () => "lib.es6.d.ts",
  readFile,
  fileExists: (name) => readFile(name) !== undefined,
}, annotatedDocuments(ts));

function check({ source, declarations, environment, at }) {
  version++;
  files.set(FUNCTION, source);
  files.set("file:///input.d.ts", declarations);
  files.set("file:///2.d.ts", environment ?? "");
  const found = [
    ...service.getSyntacticDiagnostics(FUNCTION),
    ...service.getSemanticDiagnostics(FUNCTION).filter((one) => !isNoise(one)),
  ].filter(({ code }) => !IGNORED.includes(code));
  const problems = found.map(({ file, start, length, code, messageText }) => {
    const place = ts.getLineAndCharacterOfPosition(file, start);
    const fixes = service.getCodeFixesAtPosition(FUNCTION, start, start + length, [code], {}, {});
    return {
      code,
      line: place.line + 1,
      column: place.character + 1,
      message: ts.flattenDiagnosticMessageText(messageText, " "),
      fixes: fixes.filter((one) => isHelpful(one, FUNCTION)).map(({ description }) => description),
    };
  });
  if (at === undefined) return { problems };
  const hover = service.getQuickInfoAtPosition(FUNCTION, at);
  const words = (parts) => (parts ?? []).map(({ text }) => text).join("");
  return {
    problems,
    completions: service.getCompletionsAtPosition(FUNCTION, at, undefined)?.entries
      .map(({ name }) => name) ?? [],
    hover: [
      words(hover?.displayParts),
      words(hover?.documentation),
      ...(hover?.tags ?? []).map(({ name, text }) => `@${name} ${words(text)}`),
    ].join("\n"),
  };
}

// What snippets give, where nothing else is typed yet.
const snippets = (await Deno.readTextFile(new URL("snippets.js", editor)))
  .replace(/^import .*$/m, "const languages = {};").replaceAll(/^export /gm, "");
const { SNIPPETS, shown } = new Function(`${snippets}; return { SNIPPETS, shown };`)();

const { checks } = await new Response(Deno.stdin.readable).json();
const { declarationsOf, TYPED } = await import(new URL("packages.mjs", editor));
for (const name of Object.keys(TYPED)) {
  if (!checks.some(({ source }) => source.includes(`"${name}"`))) continue;
  for (const [path, text] of Object.entries(await declarationsOf(name))) {
    files.set(`file:///node_modules/typed/${name}/${path}`, text);
  }
}
console.log(JSON.stringify({
  found: checks.map(check),
  snippets: SNIPPETS.map(({ prefix, body }) => ({ prefix, text: shown(body) })),
}));
