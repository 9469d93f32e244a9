// Checks JavaScript against what the editor knows of functions, in the editor's own TypeScript:
// {sources: {name: text}, modules: [name]} on stdin, on stdout
// {problems: ["name:line message"], exports: {module: [name]}, clients: {module: [name]}}.
const editor = new URL("../../static/editor/", import.meta.url);
const typescript = new URL(
  "node_modules/monaco-editor/esm/vs/languages/features/typescript/lib/",
  editor,
);
const { typescript: ts } = await import(new URL("typescriptServices.js", typescript));
const { libFileMap } = await import(new URL("lib.js", typescript));

const { sources, modules } = await new Response(Deno.stdin.readable).json();
const files = new Map([[
  "/runtime.d.ts",
  await Deno.readTextFile(new URL("dist/runtime.d.ts", editor)),
]]);
for await (const { name } of Deno.readDir(new URL("dist/types/", editor))) {
  const parts = JSON.parse(await Deno.readTextFile(new URL(`dist/types/${name}`, editor)));
  for (const [path, text] of Object.entries(parts)) {
    files.set(`/node_modules/typed/${name.replace(/\.json$/, "")}/${path}`, text);
  }
}
for (const [name, text] of Object.entries(sources)) files.set(`/${name}`, text);
const names = modules.map((name) => `import * as all from "${name}"; all.Toolbelt;`);
names.forEach((text, index) => files.set(`/names-${index}.ts`, text));

const readFile = (name) => files.get(name) ?? libFileMap[name.replace("/lib/", "")];
const program = ts.createProgram([...files.keys()], {
  strict: true,
  // As in the editor: nobody writes types into a function.
  noImplicitAny: false,
  useUnknownInCatchVariables: false,
  allowJs: true,
  checkJs: true,
  noEmit: true,
  target: ts.ScriptTarget.ESNext,
  lib: ["lib.es2024.d.ts"],
  module: ts.ModuleKind.CommonJS,
  moduleDetection: 3,
  types: [],
}, {
  readFile,
  fileExists: (name) => readFile(name) !== undefined,
  getSourceFile: (name, target) =>
    readFile(name) === undefined ? undefined : ts.createSourceFile(name, readFile(name), target),
  getDefaultLibFileName: () => "/lib/lib.es2024.d.ts",
  getDefaultLibLocation: () => "/lib",
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => "/",
  getNewLine: () => "\n",
  useCaseSensitiveFileNames: () => true,
  writeFile() {},
});

const problems = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
  const line = file ? ts.getLineAndCharacterOfPosition(file, start).line + 1 : 0;
  return `${file?.fileName.slice(1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
});

// The values that a module exports, and the clients in its Toolbelt.
const checker = program.getTypeChecker();
const [exported, clients] = [{}, {}];
modules.forEach((module, index) => {
  const [declaration, use] = program.getSourceFile(`/names-${index}.ts`).statements;
  const symbol = checker.getSymbolAtLocation(declaration.moduleSpecifier);
  exported[module] = checker.getExportsOfModule(symbol)
    .filter((one) => {
      const own = one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one;
      return own.flags & ts.SymbolFlags.Value;
    })
    .map(({ name }) => name);
  clients[module] = checker.getTypeAtLocation(use.expression).getProperties().map(({ name }) =>
    name
  );
});
console.log(JSON.stringify({ problems, exports: exported, clients }));
