// Problems as Monaco keeps them, as the page lists them, and as the gutter shows them.
import { editor as monaco, MarkerSeverity, Range, Uri } from "monaco-editor/editor";

const SEVERITIES = {
  error: MarkerSeverity.Error,
  warning: MarkerSeverity.Warning,
  info: MarkerSeverity.Info,
};
const FROM_TYPESCRIPT = /^\d+$/;

export function toMarker(model, { message, way, help, line, column, endColumn, severity, code }) {
  const place = model.validatePosition({ lineNumber: line ?? 1, column: column ?? 1 });
  const word = column && model.getWordAtPosition(place);
  return {
    message: way ? `${message}\n${way}` : message,
    code: help ? { value: code, target: Uri.parse(new URL(help, location.href).href) } : code,
    source: "Houston",
    severity: SEVERITIES[severity] ?? MarkerSeverity.Error,
    startLineNumber: place.lineNumber,
    startColumn: place.column,
    endLineNumber: place.lineNumber,
    endColumn: endColumn ?? word?.endColumn ?? model.getLineMaxColumn(place.lineNumber),
  };
}

// In the order of the text, those of the editor's own checks and of the page.
export function problemsOf(model) {
  return monaco.getModelMarkers({ resource: model.uri })
    .filter(({ severity }) => severity >= MarkerSeverity.Warning)
    .map(({ message, startLineNumber, startColumn, severity, code }) => {
      const name = typeof code === "object" ? code.value : code ?? "";
      return {
        message: message.split("\n")[0],
        line: startLineNumber,
        column: startColumn,
        severity: severity === MarkerSeverity.Error ? "error" : "warning",
        code: FROM_TYPESCRIPT.test(name) ? `ts(${name})` : name,
      };
    })
    .sort((one, other) => one.line - other.line || one.column - other.column);
}

// A sign beside each line that has a problem, the worst of them; a click on it offers the fixes. It
// takes the place of the light bulb, which would cover the code.
export function showInGutter(editor) {
  editor.updateOptions({ glyphMargin: true, lightbulb: { enabled: "off" } });
  const shown = editor.createDecorationsCollection();
  editor.onMouseUp(({ target }) => {
    if (!target.element?.classList.contains("editor-sign")) return;
    const line = target.position.lineNumber;
    const first = problemsOf(editor.getModel()).find((one) => one.line === line);
    if (!first) return;
    editor.setPosition({ lineNumber: line, column: first.column });
    editor.focus();
    editor.trigger("sign", "editor.action.quickFix");
  });
  return {
    show(problems) {
      const lines = new Map();
      for (const problem of problems) {
        const before = lines.get(problem.line) ?? { severity: "warning", messages: [] };
        if (problem.severity === "error") before.severity = "error";
        before.messages.push({
          value: problem.message.replaceAll(/([\\`*_{}[\]<>()#+!|-])/g, "\\$1"),
        });
        lines.set(problem.line, before);
      }
      shown.set([...lines].map(([line, { severity, messages }]) => ({
        range: new Range(line, 1, line, 1),
        options: {
          glyphMarginClassName: `codicon codicon-${severity} editor-sign editor-sign-${severity}`,
          glyphMarginHoverMessage: messages,
        },
      })));
    },
  };
}
