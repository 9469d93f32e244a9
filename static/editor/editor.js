// Monaco as two elements around textareas, which stay the form's fields. Without JavaScript, and
// on screens that only know touch, for which Monaco is not made, the textareas are the editor.
//
// A page needs editor.css, and this module with the addresses of its workers:
//
//   <link rel="stylesheet" href="…/editor.css">
//   <script type="module" id="editor-script" src="…/editor.js" data-worker-ts="…/ts.worker.js"
//     data-worker-json="…/json.worker.js" data-worker-editor="…/editor.worker.js"></script>
//
// and, because Monaco writes style elements, `style-src 'self' 'unsafe-inline'`.
//
//   <code-editor language="javascript|json" name="…" types="runtime.d.ts" schema="schema.json"
//     readonly><textarea>…</textarea></code-editor>
//
//     types             addresses of declarations that JavaScript is checked against, by spaces
//     schema            JSON Schema that JSON is checked against
//     .value            the text, also of the textarea alone; set it to replace the text
//     .editor           Monaco's editor, null while the textarea is the editor
//     .reveal(line, column)
//     .setProblems([{message, line, column, endColumn, severity: "error|warning|info", code, fixes}])
//                       beside the editor's own; they stay until they are set again. `fixes` are
//                       {title, text} that replaces what is marked, or {title, detail} for the page
//     .problems         all there are, the editor's own too: [{message, line, column, severity, code}]
//     .setEnvironment([name])    the variables that process.env has; without it any may be there
//     .addCommands([{id, label, run, keybinding}])    entries of the command palette (F1);
//                       `keybinding` shows keys such as "Ctrl+Enter", which the page listens to
//     .insert(text)     where the cursor is
//     .insertSnippet(text)    there too; it may be written as snippets.js does
//     .format()         the whole text, also by Shift+Alt+F
//     input, change     events of the textarea, as if somebody had typed there
//     cursor            CustomEvent, detail {line, column}
//     problems          CustomEvent, detail {count, errors, warnings}
//     fix               CustomEvent, when a fix for the page was chosen; detail is the fix's
//
//   <code-diff language="javascript|json" editable><textarea data-side="original" readonly>…
//     </textarea><textarea data-side="modified">…</textarea></code-diff>
//
//     editable          the modified side can be changed; its textarea follows and tells of input
//     .value            the text of the modified side; set it to replace the text
//
// Both get their height from the page's CSS.
import {
  editor as monaco,
  KeyCode,
  KeyMod,
  languages,
  MarkerSeverity,
  Uri,
} from "monaco-editor/editor";
import { conf, language } from "monaco-editor/languages/definitions/javascript/javascript";
import { javascriptDefaults } from "monaco-editor/languages/features/typescript/register";
import { jsonDefaults } from "monaco-editor/languages/features/json/register";
import "monaco-editor/languages/definitions/javascript/register";
import "monaco-editor/languages/definitions/typescript/register";
import "monaco-editor/features/register.all";
import { COMPILER_OPTIONS, IGNORED } from "./checked.js";
import "./editor.css";
import { offerFixes, setFixes } from "./fixes.js";
import { offerSnippets, shown } from "./snippets.js";
import { followPage } from "./theme.js";

const OWNER = "houston";
// JavaScript that is only shown: coloured, but not checked, so nobody fetches the type checker.
const SHOWN = "javascript-shown";
const SIDE_BY_SIDE = matchMedia("(min-width: 900px)");
const onlyTouch = matchMedia("(pointer: coarse)").matches &&
  !matchMedia("(any-pointer: fine)").matches;
const tabKeys = navigator.platform.startsWith("Mac") ? "⌃⇧M" : "Ctrl+M";

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

languages.register({ id: SHOWN });
languages.setLanguageConfiguration(SHOWN, conf);
languages.setMonarchTokensProvider(SHOWN, language);

// The page's own keys: what no control of the page has taken does nothing.
monaco.addKeybindingRules([
  { keybinding: KeyMod.CtrlCmd | KeyCode.Enter, command: null },
  { keybinding: KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.Enter, command: null },
]);

const OPTIONS = {
  automaticLayout: true,
  // Written as one word it also counts for models, which take it from here.
  "bracketPairColorization.enabled": false,
  // The other kind of input is neither a textarea nor contenteditable, and the page's shortcuts of
  // a single key would act on what is typed.
  editContext: false,
  fixedOverflowWidgets: true,
  fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono") ||
    "monospace",
  fontSize: 13,
  lineHeight: 20,
  lineNumbersMinChars: 3,
  minimap: { enabled: false },
  overviewRulerLanes: 0,
  padding: { top: 8, bottom: 8 },
  renderLineHighlightOnlyWhenFocus: true,
  scrollBeyondLastLine: false,
  scrollbar: {
    alwaysConsumeMouseWheel: false,
    verticalScrollbarSize: 10,
    horizontalScrollbarSize: 10,
  },
  stickyScroll: { enabled: false },
  // In quotes too: types of commands, sub-types of events, names of modules.
  quickSuggestions: { other: true, comments: false, strings: true },
  wordBasedSuggestions: "off",
  tabSize: 2,
};

let models = 0;

function createModel(text, languageId) {
  // A folder of its own for each; the file's name is what the editor and stack traces show.
  const name = languageId === "json" ? "input.json" : "index.js";
  const model = monaco.createModel(
    text,
    languageId,
    Uri.parse(`file:///${++models}/${name}`),
  );
  // As in a textarea; Monaco would take what is usual on this system.
  model.setEOL(monaco.EndOfLineSequence.LF);
  return model;
}

function labelOf(area) {
  const named = (area.getAttribute("aria-labelledby") ?? "").split(/\s+/)
    .map((id) => document.getElementById(id)?.textContent);
  const texts = area.ariaLabel
    ? [area.ariaLabel]
    : [...named, ...[...area.labels].map((label) => label.textContent)];
  return texts.join(" ").trim().replace(/\s+/g, " ") || "Code";
}

function createBox(parent) {
  // A page that htmx keeps for the way back is kept with the box in it.
  parent.querySelectorAll(":scope > .editor-box, :scope > .editor-tab-hint")
    .forEach((old) => old.remove());
  const box = document.createElement("div");
  box.className = "editor-box";
  parent.append(box);
  return box;
}

// --- what editors are checked against -----------------------------------------

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

function addDeclarations(address) {
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

function declareEnvironment(names) {
  const isName = /^[A-Za-z_$][\w$]*$/;
  const known = names?.filter((name) => isName.test(name))
    .map((name) => `  /** A variable of this function. */\n  readonly ${name}: string;\n`);
  const members = known ? [...new Set(known)].join("") : "  [name: string]: string | undefined;\n";
  const text = `interface Environment {\n${members}}\n`;
  if (text === environment) return;
  environment = text;
  javascriptDefaults.addExtraLib(text, "file:///environment.d.ts");
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

async function addSchema(address, model) {
  try {
    const schema = await (await read(address)).json();
    if (model.isDisposed()) return;
    schemas.set(model.uri.toString(), schema);
    checkSchemas();
  } catch (error) {
    console.error(error);
  }
}

// --- elements -------------------------------------------------------------------

const SEVERITIES = {
  error: MarkerSeverity.Error,
  warning: MarkerSeverity.Warning,
  info: MarkerSeverity.Info,
};

// Tab indents once the editor has the focus. Who comes by Tab is told how to go on.
let lastKey = "";
document.addEventListener("keydown", (event) => lastKey = event.key, {
  capture: true,
});
document.addEventListener("pointerdown", () => lastKey = "", { capture: true });

class CodeEditor extends HTMLElement {
  static observedAttributes = ["readonly"];

  editor = null;
  #area = null;
  #model = null;
  #ends = [];

  connectedCallback() {
    this.#area = this.querySelector(":scope > textarea");
    if (onlyTouch || !this.#area) return;
    this.#model = createModel(this.#area.value, this.#languageId);
    this.editor = monaco.create(createBox(this), {
      ...OPTIONS,
      model: this.#model,
      ariaLabel: `${labelOf(this.#area)}. ${tabKeys} makes Tab move the focus, and back`,
      readOnly: this.#isReadonly,
    });
    this.#area.hidden = true;
    this.#follow();
    const { types, schema } = this.#sources;
    types?.split(/\s+/).filter(Boolean).forEach(addDeclarations);
    if (schema) addSchema(schema, this.#model);
  }

  disconnectedCallback() {
    if (!this.editor) return;
    this.#ends.forEach((end) => end());
    this.#ends = [];
    this.editor.getContainerDomNode().remove();
    this.editor.dispose();
    if (schemas.delete(this.#model.uri.toString())) checkSchemas();
    this.#model.dispose();
    this.#area.hidden = false;
    this.editor = this.#model = null;
  }

  attributeChangedCallback() {
    if (this.#area) this.#area.readOnly = this.#isReadonly;
    if (!this.editor) return;
    this.editor.updateOptions({ readOnly: this.#isReadonly });
    monaco.setModelLanguage(this.#model, this.#languageId);
  }

  get value() {
    return this.#model ? this.#model.getValue() : this.#area.value;
  }

  set value(text) {
    if (!this.#model) {
      this.#area.value = text;
      return;
    }
    if (text.replaceAll("\r\n", "\n") === this.#model.getValue()) return;
    // As an edit of its own, so that it can be undone.
    this.#model.pushStackElement();
    this.#model.pushEditOperations([], [{
      range: this.#model.getFullModelRange(),
      text,
    }], () => null);
    this.#model.pushStackElement();
  }

  reveal(line, column = 1) {
    if (this.editor) {
      const position = this.#model.validatePosition({
        lineNumber: line,
        column,
      });
      this.editor.setPosition(position);
      this.editor.revealPositionInCenterIfOutsideViewport(position);
      this.editor.focus();
      return;
    }
    const lines = this.#area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce(
      (sum, text) => sum + text.length + 1,
      0,
    );
    this.#area.focus();
    this.#area.setSelectionRange(
      start + column - 1,
      start + (lines[line - 1] ?? "").length,
    );
  }

  // As an edit of its own, so that it can be undone.
  insert(text) {
    if (!this.editor) {
      const area = this.#area;
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
      return;
    }
    this.editor.executeEdits("insert", [{
      range: this.editor.getSelection(),
      text,
      forceMoveMarkers: true,
    }]);
    this.editor.pushUndoStop();
    this.editor.focus();
  }

  get problems() {
    if (!this.#model) return [];
    return monaco.getModelMarkers({ resource: this.#model.uri })
      .filter(({ severity }) => severity >= MarkerSeverity.Warning)
      .map(({ message, startLineNumber, startColumn, severity, code }) => ({
        message,
        line: startLineNumber,
        column: startColumn,
        severity: severity === MarkerSeverity.Error ? "error" : "warning",
        code: typeof code === "object" ? code.value : code,
      }))
      .sort((one, other) => one.line - other.line || one.column - other.column);
  }

  setProblems(problems) {
    if (!this.#model) return;
    const markers = problems.map((problem) => {
      const { message, line, column, endColumn, severity, code } = problem;
      const place = this.#model.validatePosition({
        lineNumber: line ?? 1,
        column: column ?? 1,
      });
      const word = column && this.#model.getWordAtPosition(place);
      const end = endColumn ?? word?.endColumn ?? this.#model.getLineMaxColumn(place.lineNumber);
      return {
        message,
        code,
        source: "Houston",
        severity: SEVERITIES[severity] ?? MarkerSeverity.Error,
        startLineNumber: place.lineNumber,
        startColumn: place.column,
        endLineNumber: place.lineNumber,
        endColumn: end,
      };
    });
    const tell = (detail) => this.dispatchEvent(new CustomEvent("fix", { bubbles: true, detail }));
    setFixes(this.#model, markers.map((marker, index) => [marker, problems[index].fixes]), tell);
    monaco.setModelMarkers(this.#model, OWNER, markers);
  }

  setEnvironment(names) {
    declareEnvironment(names);
  }

  addCommands(commands) {
    commands.forEach(({ id, label, run, keybinding }) =>
      this.editor?.addAction({
        id: `houston.${id}`,
        label: keybinding ? `${label} (${keybinding})` : label,
        run: () => run(),
      })
    );
  }

  insertSnippet(text) {
    if (!this.editor) return this.insert(shown(text));
    this.editor.focus();
    this.editor.getContribution("snippetController2").insert(text);
  }

  async format() {
    await this.editor?.getAction("editor.action.formatDocument")?.run();
  }

  get #isReadonly() {
    return this.hasAttribute("readonly");
  }

  get #languageId() {
    const id = this.getAttribute("language") ?? "javascript";
    return id === "javascript" && this.#isReadonly ? SHOWN : id;
  }

  get #sources() {
    return {
      types: this.getAttribute("types"),
      schema: this.getAttribute("schema"),
    };
  }

  #follow() {
    const { editor } = this;
    const area = this.#area;
    const uri = this.#model.uri.toString();
    const tell = (name, detail) =>
      this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
    const tellCursor = () => {
      const { lineNumber, column } = editor.getPosition();
      tell("cursor", { line: lineNumber, column });
    };
    let changed = false;
    this.#model.onDidChangeContent(() => {
      area.value = this.#model.getValue();
      changed = true;
      area.dispatchEvent(new Event("input", { bubbles: true }));
    });
    editor.onDidChangeCursorPosition(tellCursor);
    editor.onDidFocusEditorText(() => {
      tellCursor();
      const tabIndents = !this.#isReadonly &&
        !editor.getOption(monaco.EditorOption.tabFocusMode);
      if (lastKey === "Tab" && tabIndents) this.#hintAtTab();
    });
    editor.onDidBlurEditorText(() => {
      if (!changed) return;
      changed = false;
      area.dispatchEvent(new Event("change", { bubbles: true }));
    });
    const markers = monaco.onDidChangeMarkers((uris) => {
      if (!uris.some((changedUri) => changedUri.toString() === uri)) return;
      const found = this.problems;
      const errors = found.filter(({ severity }) => severity === "error").length;
      tell("problems", { count: found.length, errors, warnings: found.length - errors });
    });
    const focus = () => editor.focus();
    area.labels.forEach((label) => label.addEventListener("click", focus));
    this.#ends = [
      () => markers.dispose(),
      () => area.labels.forEach((label) => label.removeEventListener("click", focus)),
    ];
  }

  #hintAtTab() {
    const hint = document.createElement("p");
    hint.className = "editor-tab-hint";
    // The label has told it to those who cannot see it.
    hint.ariaHidden = "true";
    hint.textContent = `${tabKeys} makes Tab move the focus`;
    this.append(hint);
    const gone = [
      this.editor.onDidBlurEditorText(end),
      this.editor.onDidChangeModelContent(end),
    ];
    function end() {
      hint.remove();
      gone.forEach((listener) => listener.dispose());
    }
  }
}

class CodeDiff extends HTMLElement {
  #editor = null;
  #models = [];

  connectedCallback() {
    const sides = ["original", "modified"]
      .map((side) => this.querySelector(`:scope > textarea[data-side="${side}"]`));
    if (onlyTouch || sides.includes(null)) return;
    const languageId = this.getAttribute("language") === "json" ? "json" : SHOWN;
    const [original, modified] = this.#models = sides.map((area) =>
      createModel(area.value, languageId)
    );
    const [originalAriaLabel, modifiedAriaLabel] = sides.map(labelOf);
    const isEditable = this.hasAttribute("editable");
    this.#editor = monaco.createDiffEditor(createBox(this), {
      ...OPTIONS,
      readOnly: !isEditable,
      originalEditable: false,
      originalAriaLabel,
      modifiedAriaLabel,
      renderSideBySide: SIDE_BY_SIDE.matches,
      useInlineViewWhenSpaceIsLimited: false,
      renderOverviewRuler: false,
      renderGutterMenu: false,
      renderMarginRevertIcon: isEditable,
      hideUnchangedRegions: { enabled: true },
    });
    this.#editor.setModel({ original, modified });
    sides.forEach((area) => area.hidden = true);
    modified.onDidChangeContent(() => {
      sides[1].value = modified.getValue();
      sides[1].dispatchEvent(new Event("input", { bubbles: true }));
    });
    SIDE_BY_SIDE.addEventListener("change", this.#fit);
  }

  disconnectedCallback() {
    if (!this.#editor) return;
    SIDE_BY_SIDE.removeEventListener("change", this.#fit);
    this.#editor.getContainerDomNode().remove();
    this.#editor.dispose();
    this.#models.forEach((model) => model.dispose());
    this.querySelectorAll(":scope > textarea").forEach((area) => area.hidden = false);
    this.#editor = null;
  }

  get value() {
    return this.#editor
      ? this.#models[1].getValue()
      : this.querySelector(':scope > textarea[data-side="modified"]').value;
  }

  set value(text) {
    if (!this.#editor) {
      this.querySelector(':scope > textarea[data-side="modified"]').value = text;
      return;
    }
    const model = this.#models[1];
    const range = model.getFullModelRange();
    // As an edit of its own, so that it can be undone.
    model.pushStackElement();
    model.pushEditOperations([], [{ range, text }], () => null);
    model.pushStackElement();
  }

  #fit = () => this.#editor.updateOptions({ renderSideBySide: SIDE_BY_SIDE.matches });
}

followPage();
checkSchemas();
declareEnvironment(null);
offerSnippets("javascript");
offerFixes("javascript");
customElements.define("code-editor", CodeEditor);
customElements.define("code-diff", CodeDiff);
