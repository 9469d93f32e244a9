// What may be done about the problems that the page has found, as quick fixes (Ctrl+.).
import { editor, languages } from "monaco-editor/editor";
import { CodeActionModel } from "monaco-editor/editor/contrib/codeAction/browser/codeActionModel";

// Monaco looks for fixes whenever the cursor rests, for its light bulb. There is none here, and what
// it looks for by itself would cancel what somebody has asked for and still waits for.
CodeActionModel.prototype._tryAutoTrigger = () => {};

const CHOSEN = "houston.fix";
const known = new WeakMap();

// `pairs` are markers with their fixes; `tell` gets the detail of a fix that is the page's to make.
export function setFixes(model, pairs, tell) {
  known.set(model, { pairs: pairs.filter(([, fixes]) => fixes?.length), tell });
}

export function offerFixes(languageId) {
  // The editor runs commands by their names.
  editor.registerCommand(CHOSEN, (_, model, detail) => known.get(model)?.tell(detail));
  languages.registerCodeActionProvider(languageId, {
    provideCodeActions(model, range, context) {
      const pairs = known.get(model)?.pairs ?? [];
      const actions = pairs
        .filter(([marker]) => meets(marker, range))
        .flatMap(([marker, fixes]) =>
          fixes.map((fix, index) => asAction(model, marker, fix, context, index === 0))
        );
      return { actions, dispose() {} };
    },
  }, { providedCodeActionKinds: ["quickfix"] });
}

function meets(marker, range) {
  const startsBefore = marker.startLineNumber < range.endLineNumber ||
    marker.startLineNumber === range.endLineNumber && marker.startColumn <= range.endColumn;
  const endsBehind = marker.endLineNumber > range.startLineNumber ||
    marker.endLineNumber === range.startLineNumber && marker.endColumn >= range.startColumn;
  return startsBefore && endsBehind;
}

function asAction(model, marker, { title, text, append, detail }, { markers }, isPreferred) {
  const { startLineNumber, startColumn, endLineNumber, endColumn } = marker;
  const diagnostics = markers.filter((one) =>
    one.message === marker.message && one.startLineNumber === startLineNumber
  );
  const action = { title, kind: "quickfix", diagnostics, isPreferred };
  if (detail !== undefined) {
    return { ...action, command: { id: CHOSEN, title, arguments: [model, detail] } };
  }
  const marked = { startLineNumber, startColumn, endLineNumber, endColumn };
  const textEdit = append === undefined
    ? { range: marked, text }
    : { range: endOf(model), text: append };
  const edits = [{ resource: model.uri, versionId: model.getVersionId(), textEdit }];
  return { ...action, edit: { edits } };
}

function endOf(model) {
  const { endLineNumber, endColumn } = model.getFullModelRange();
  return { startLineNumber: endLineNumber, startColumn: endColumn, endLineNumber, endColumn };
}
