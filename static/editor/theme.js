// One theme, made from the page's own colours: the CSS tokens decide, so light and dark, a choice
// of the person and a change of the system all look like the rest of the console.
import { editor } from "monaco-editor/editor";

const THEME = "houston";

// Colours of code, readable (4.5:1) on the token `--surface` of each scheme, also where it is
// selected, inserted or removed: what is laid over it below is as strong as that allows.
const CODE = {
  light: {
    comment: "545d69",
    keyword: "7528b8",
    string: "166b46",
    number: "9a4a00",
    regexp: "b02a37",
    type: "0b5cad",
    key: "0b5cad",
  },
  dark: {
    comment: "9ca5b3",
    keyword: "c9a8ff",
    string: "7ed9a2",
    number: "ffb774",
    regexp: "ff9592",
    type: "8cc8ff",
    key: "8cc8ff",
  },
};

// A colour as the browser computes it may be written in any colour space; a pixel never is.
const pixel = Object.assign(document.createElement("canvas"), {
  width: 1,
  height: 1,
})
  .getContext("2d", { willReadFrequently: true });

function readColour(probe, value) {
  probe.style.color = value;
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = getComputedStyle(probe).color;
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data];
}

function asHex(colour) {
  return "#" +
    colour.map((part) => part.toString(16).padStart(2, "0")).join("");
}

function isDark([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

function apply() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const token = (name, opacity = 100) =>
    asHex(
      readColour(
        probe,
        `color-mix(in srgb, var(--${name}) ${opacity}%, transparent)`,
      ),
    );
  const surface = readColour(probe, "var(--surface, Canvas)");
  const scheme = isDark(surface) ? "dark" : "light";
  const code = CODE[scheme];
  const colors = {
    "editor.background": asHex(surface),
    "editor.foreground": token("text"),
    "editorCursor.foreground": token("accent"),
    "editorLineNumber.foreground": token("text-soft"),
    "editorLineNumber.dimmedForeground": token("text-soft"),
    "editorLineNumber.activeForeground": token("text"),
    "editor.lineHighlightBackground": token("text", 4),
    "editor.lineHighlightBorder": "#00000000",
    "editor.selectionBackground": token("accent", 20),
    "editor.inactiveSelectionBackground": token("accent", 14),
    "editor.selectionHighlightBackground": token("accent", 14),
    "editor.wordHighlightBackground": token("accent", 14),
    "editor.wordHighlightStrongBackground": token("accent", 20),
    "editor.findMatchBackground": token("warn", 45),
    "editor.findMatchHighlightBackground": token("warn", 22),
    "editor.findMatchForeground": token("text"),
    "editor.findMatchHighlightForeground": token("text"),
    "editor.rangeHighlightBackground": token("accent", 7),
    "editor.symbolHighlightBackground": token("accent", 14),
    "editorBracketMatch.background": token("accent", 18),
    "editorBracketMatch.border": token("accent", 50),
    "editorIndentGuide.background1": token("text", 10),
    "editorIndentGuide.activeBackground1": token("text", 26),
    "editorGutter.background": asHex(surface),
    "editorError.foreground": token("bad"),
    "editorWarning.foreground": token("warn"),
    "editorInfo.foreground": token("accent"),
    "editorLink.activeForeground": token("accent"),
    "editorWidget.background": token("surface-raised"),
    "editorWidget.foreground": token("text"),
    "editorWidget.border": token("line-strong"),
    "editorHoverWidget.background": token("surface-raised"),
    "editorHoverWidget.border": token("line-strong"),
    "editorSuggestWidget.background": token("surface-raised"),
    "editorSuggestWidget.border": token("line-strong"),
    "editorSuggestWidget.highlightForeground": token("accent"),
    "editorSuggestWidget.focusHighlightForeground": token("accent"),
    "editorSuggestWidget.selectedBackground": token("accent", 16),
    "editorSuggestWidget.selectedForeground": token("text"),
    "peekView.border": token("line-strong"),
    "peekViewTitle.background": token("surface-sunken"),
    "peekViewTitleLabel.foreground": token("text"),
    "peekViewTitleDescription.foreground": token("text-soft"),
    "peekViewEditor.background": token("surface-sunken"),
    "peekViewEditorGutter.background": token("surface-sunken"),
    "peekViewEditor.matchHighlightBackground": token("warn", 26),
    "peekViewResult.background": token("surface-raised"),
    "peekViewResult.fileForeground": token("text"),
    "peekViewResult.lineForeground": token("text"),
    "peekViewResult.matchHighlightBackground": token("warn", 26),
    "peekViewResult.selectionBackground": token("accent", 16),
    "peekViewResult.selectionForeground": token("text"),
    "list.activeSelectionBackground": token("accent", 16),
    "list.activeSelectionForeground": token("text"),
    "list.inactiveSelectionBackground": token("text", 8),
    "list.focusOutline": "#00000000",
    "quickInput.background": token("surface-raised"),
    "quickInput.foreground": token("text"),
    "quickInputList.focusBackground": token("accent", 16),
    "quickInputList.focusForeground": token("text"),
    "list.hoverBackground": token("text", 6),
    "list.focusBackground": token("accent", 16),
    "list.highlightForeground": token("accent"),
    "menu.background": token("surface-raised"),
    "menu.foreground": token("text"),
    "menu.selectionBackground": token("accent", 16),
    "menu.selectionForeground": token("text"),
    "menu.border": token("line-strong"),
    "menu.separatorBackground": token("line"),
    "input.background": token("surface"),
    "input.foreground": token("text"),
    "input.border": token("line-strong"),
    "input.placeholderForeground": token("text-soft"),
    "inputOption.activeBackground": token("accent", 22),
    "inputOption.activeForeground": token("text"),
    "focusBorder": token("accent"),
    "textLink.foreground": token("accent"),
    "textLink.activeForeground": token("accent"),
    "widget.shadow": scheme === "dark" ? "#0000008c" : token("text", 18),
    "scrollbar.shadow": "#00000000",
    "scrollbarSlider.background": token("text", 16),
    "scrollbarSlider.hoverBackground": token("text", 26),
    "scrollbarSlider.activeBackground": token("text", 34),
    "diffEditor.insertedLineBackground": token("ok", 7),
    "diffEditor.insertedTextBackground": token("ok", 13),
    "diffEditor.removedLineBackground": token("bad", 7),
    "diffEditor.removedTextBackground": token("bad", 12),
    "diffEditor.diagonalFill": token("text", 8),
    "diffEditor.unchangedRegionBackground": token("surface-sunken"),
    "diffEditor.unchangedRegionForeground": token("text-soft"),
    "diffEditor.unchangedCodeBackground": "#00000000",
  };
  probe.remove();
  editor.defineTheme(THEME, {
    base: scheme === "dark" ? "vs-dark" : "vs",
    inherit: true,
    rules: [
      { token: "", foreground: colors["editor.foreground"].slice(1, 7) },
      { token: "comment", foreground: code.comment },
      { token: "keyword", foreground: code.keyword },
      { token: "string", foreground: code.string },
      { token: "number", foreground: code.number },
      { token: "regexp", foreground: code.regexp },
      { token: "type", foreground: code.type },
      { token: "string.key.json", foreground: code.key },
      { token: "string.value.json", foreground: code.string },
      { token: "keyword.json", foreground: code.keyword },
      {
        token: "delimiter",
        foreground: colors["editor.foreground"].slice(1, 7),
      },
    ],
    colors,
  });
  editor.setTheme(THEME);
}

/** Gives all editors the page's colours, now and whenever these change. */
export function followPage() {
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  new MutationObserver(apply)
    .observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
