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
//     packages          `name=address` of what build.mjs makes of packages' types, by spaces
//     schema            JSON Schema that JSON is checked against
//     .value            the text, also of the textarea alone; set it to replace the text
//     .editor           Monaco's editor, null while the textarea is the editor
//     .reveal(line, column)
//     .setProblems([{message, way, help, line, column, endColumn, severity: "error|warning|info",
//                    code, fixes}])
//                       beside the editor's own; they stay until they are set again. `way` says
//                       how to go on, `help` is the address that explains the code. `fixes` are
//                       {title, text} that replaces what is marked, {title, append} that comes at
//                       the end, or {title, detail} for the page
//     .problems         all there are, the editor's own too: [{message, line, column, severity, code}]
//     .setEnvironment([name])    the variables that process.env has; without it any may be there
//     .addCommands([{id, label, run, keybinding}])    the first entries of the command palette
//                       (F1); `keybinding` is as "Ctrl+Enter"
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
import { editor as monaco, KeyCode, KeyMod } from "monaco-editor/editor";
import "monaco-editor/languages/definitions/javascript/register";
import "monaco-editor/languages/definitions/typescript/register";
import "monaco-editor/features/register.all";
import "./editor.css";
import { CodeDiff } from "./diff.js";
import { offerFixes, setFixes } from "./fixes.js";
import { problemsOf, showInGutter, toMarker } from "./markers.js";
import { createBox, createModel, labelOf, onlyTouch, OPTIONS, SHOWN } from "./models.js";
import { addCommands, showDocumentation } from "./palette.js";
import { offerSnippets, shown } from "./snippets.js";
import {
  addDeclarations,
  addSchema,
  declareEnvironment,
  followPackages,
  forgetSchema,
} from "./sources.js";
import { followPage } from "./theme.js";

const OWNER = "houston";
const tabKeys = navigator.platform.startsWith("Mac") ? "⌃⇧M" : "Ctrl+M";

// What Monaco asks for and then needs no more, because somebody typed on, is no failure.
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "Canceled") event.preventDefault();
});

// The page's own keys: what no control of the page has taken does nothing.
monaco.addKeybindingRules([
  { keybinding: KeyMod.CtrlCmd | KeyCode.Enter, command: null },
  { keybinding: KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.Enter, command: null },
]);

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
    const { types, packages, schema } = this.#sources;
    if (packages) followPackages(this.#model, packages);
    types?.split(/\s+/).filter(Boolean).forEach(addDeclarations);
    if (schema) addSchema(schema, this.#model);
  }

  disconnectedCallback() {
    if (!this.editor) return;
    this.#ends.forEach((end) => end());
    this.#ends = [];
    this.editor.getContainerDomNode().remove();
    this.editor.dispose();
    forgetSchema(this.#model);
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
    return this.#model ? problemsOf(this.#model) : [];
  }

  setProblems(problems) {
    if (!this.#model) return;
    const markers = problems.map((problem) => toMarker(this.#model, problem));
    const tell = (detail) => this.dispatchEvent(new CustomEvent("fix", { bubbles: true, detail }));
    setFixes(this.#model, markers.map((marker, index) => [marker, problems[index].fixes]), tell);
    monaco.setModelMarkers(this.#model, OWNER, markers);
  }

  setEnvironment(names) {
    declareEnvironment(names);
  }

  addCommands(commands) {
    if (this.editor) addCommands(this.editor, commands);
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
      packages: this.getAttribute("packages"),
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
    const gutter = this.#languageId === "javascript" ? showInGutter(editor) : null;
    const markers = monaco.onDidChangeMarkers((uris) => {
      if (!uris.some((changedUri) => changedUri.toString() === uri)) return;
      const found = this.problems;
      gutter?.show(found);
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

followPage();
showDocumentation();
offerSnippets("javascript");
offerFixes("javascript");
customElements.define("code-editor", CodeEditor);
customElements.define("code-diff", CodeDiff);
