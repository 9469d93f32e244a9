// What the elements of the editor have in common: Monaco's options, models, and the box it is in.
import { editor as monaco, languages, Uri } from "monaco-editor/editor";
import { conf, language } from "monaco-editor/languages/definitions/javascript/javascript";

// JavaScript that is only shown: coloured, but not checked, so nobody fetches the type checker.
export const SHOWN = "javascript-shown";
// Screens for which Monaco is not made keep the textareas.
export const onlyTouch = matchMedia("(pointer: coarse)").matches &&
  !matchMedia("(any-pointer: fine)").matches;

languages.register({ id: SHOWN });
languages.setLanguageConfiguration(SHOWN, conf);
languages.setMonarchTokensProvider(SHOWN, language);

export const OPTIONS = {
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

export function createModel(text, languageId) {
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

export function labelOf(area) {
  const named = (area.getAttribute("aria-labelledby") ?? "").split(/\s+/)
    .map((id) => document.getElementById(id)?.textContent);
  const texts = area.ariaLabel
    ? [area.ariaLabel]
    : [...named, ...[...area.labels].map((label) => label.textContent)];
  return texts.join(" ").trim().replace(/\s+/g, " ") || "Code";
}

export function createBox(parent) {
  // A page that htmx keeps for the way back is kept with the box in it.
  parent.querySelectorAll(":scope > .editor-box, :scope > .editor-tab-hint")
    .forEach((old) => old.remove());
  const box = document.createElement("div");
  box.className = "editor-box";
  parent.append(box);
  return box;
}
