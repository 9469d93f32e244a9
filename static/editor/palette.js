// The command palette (F1), with the page's own commands first, and how much suggestions say.
import { KeyCode, KeyMod } from "monaco-editor/editor";
import {
  StandaloneCommandsQuickAccessProvider as Palette,
} from "monaco-editor/editor/standalone/browser/quickAccess/standaloneCommandsQuickAccess";
import { StandaloneServices } from "monaco-editor/editor/standalone/browser/standaloneServices";
import { IStorageService } from "monaco-editor/platform/storage/common/storage";

const KEYS = { Ctrl: KeyMod.CtrlCmd, Shift: KeyMod.Shift, Alt: KeyMod.Alt };
const DETAILS = "expandSuggestionDocs";
const PROFILE = 0;
const USER = 0;
const ours = new Set();

// Monaco knows commands that come first, but gives no way to name them.
const pick = Palette.prototype.getCommandPicks;
Palette.prototype.getCommandPicks = function (...given) {
  this.options.suggestedCommandIds = ours;
  return pick.apply(this, given);
};

export function addCommands(editor, commands) {
  for (const { id, label, run, keybinding } of commands) {
    const action = editor.addAction({
      id: `houston.${id}`,
      label,
      keybindings: keybinding ? [asNumber(keybinding)] : [],
      run: () => run(),
    });
    if (action) ours.add(`${editor.getId()}:houston.${id}`).add(`houston.${id}`);
  }
}

function asNumber(keybinding) {
  return keybinding.split("+").reduce((sum, key) => {
    const code = KEYS[key] ?? KeyCode[key] ?? KeyCode[`Key${key.toUpperCase()}`];
    if (code === undefined) throw new Error(`Cannot bind "${keybinding}": "${key}" is no key`);
    return sum | code;
  }, 0);
}

// What a field means stands beside the list of suggestions, until somebody closes it (Ctrl+Space).
export function showDocumentation() {
  const storage = StandaloneServices.get(IStorageService);
  storage.store(DETAILS, localStorage.getItem(`houston.${DETAILS}`) !== "false", PROFILE, USER);
  storage.onDidChangeValue(PROFILE, DETAILS, { add() {} })(() => {
    localStorage.setItem(`houston.${DETAILS}`, storage.get(DETAILS, PROFILE));
  });
}
