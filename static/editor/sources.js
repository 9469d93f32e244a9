// What editors are checked against: declarations, this function's variables, JSON Schemas.
import { javascriptDefaults } from "monaco-editor/languages/features/typescript/register";
import { jsonDefaults } from "monaco-editor/languages/features/json/register";
import { COMPILER_OPTIONS, IGNORED } from "./checked.js";

const workers = document.querySelector("#editor-script").dataset;
globalThis.MonacoEnvironment = {
  getWorker(_, label) {
    const address = { javascript: workers.workerTs, json: workers.workerJson }[label] ??
      workers.workerEditor;
    return new Worker(address, { name: label });
  },
};

javascriptDefaults.setCompilerOptions(COMPILER_OPTIONS);
javascriptDefaults.setDiagnosticsOptions({
  noSuggestionDiagnostics: true,
  diagnosticCodesToIgnore: IGNORED,
});

const declarations = new Map();

async function read(address) {
  const response = await fetch(address);
  if (!response.ok) {
    throw new Error(
      `Cannot read "${address}": the answer is ${response.status}`,
    );
  }
  return response;
}

export function addDeclarations(address) {
  if (declarations.has(address)) return;
  const reading = read(address).then((response) => response.text());
  declarations.set(address, reading);
  const name = `file:///types-${declarations.size}.d.ts`;
  reading.then((text) => javascriptDefaults.addExtraLib(text, name))
    .catch((error) => {
      declarations.delete(address);
      console.error(error);
    });
}

// What `process.env` has is one for all editors of a page: it is about one function.
let environment = null;

export function declareEnvironment(names) {
  const isName = /^[A-Za-z_$][\w$]*$/;
  const known = names?.filter((name) => isName.test(name))
    .map((name) => `  /** A variable of this function. */\n  readonly ${name}: string;\n`);
  const members = known ? [...new Set(known)].join("") : "  [name: string]: string | undefined;\n";
  const text = `interface Environment {\n${members}}\n`;
  if (text === environment) return;
  environment = text;
  javascriptDefaults.addExtraLib(text, "file:///environment.d.ts");
}

// Declarations of the packages that a text names; nobody fetches those of the others.
const packages = new Set();

export function followPackages(model, addresses) {
  const wanted = new Map(addresses.split(/\s+/).filter(Boolean).map((pair) => pair.split("=")));
  const look = () => {
    for (const [, name] of model.getValue().matchAll(/["'`]([\w.@/-]+)["'`]/g)) {
      if (!wanted.has(name) || packages.has(name)) continue;
      packages.add(name);
      addPackage(name, wanted.get(name));
    }
  };
  look();
  model.onDidChangeContent(look);
}

async function addPackage(name, address) {
  try {
    const files = await (await read(address)).json();
    for (const [path, text] of Object.entries(files)) {
      javascriptDefaults.addExtraLib(text, `file:///node_modules/typed/${name}/${path}`);
    }
  } catch (error) {
    packages.delete(name);
    console.error(error);
  }
}

const schemas = new Map();

function checkSchemas() {
  jsonDefaults.setDiagnosticsOptions({
    validate: true,
    allowComments: false,
    enableSchemaRequest: false,
    schemas: [...schemas].map(([uri, schema]) => ({
      uri: `${uri}#schema`,
      fileMatch: [uri],
      schema,
    })),
  });
}

export async function addSchema(address, model) {
  try {
    const schema = await (await read(address)).json();
    if (model.isDisposed()) return;
    schemas.set(model.uri.toString(), schema);
    checkSchemas();
  } catch (error) {
    console.error(error);
  }
}

export function forgetSchema(model) {
  if (schemas.delete(model.uri.toString())) checkSchemas();
}

checkSchemas();
declareEnvironment(null);
