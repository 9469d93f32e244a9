// Two texts side by side, see the head of editor.js.
import { editor as monaco } from "monaco-editor/editor";
import { createBox, createModel, labelOf, onlyTouch, OPTIONS, SHOWN } from "./models.js";

const SIDE_BY_SIDE = matchMedia("(min-width: 900px)");

const BORDERS_PX = 2;

export class CodeDiff extends HTMLElement {
  #editor = null;
  #models = [];
  #labels = [];

  connectedCallback() {
    const sides = ["original", "modified"]
      .map((side) => this.querySelector(`:scope > textarea[data-side="${side}"]`));
    if (onlyTouch || sides.includes(null)) return;
    const languageId = this.getAttribute("language") === "json" ? "json" : SHOWN;
    const [original, modified] = this.#models = sides.map((area) =>
      createModel(area.value, languageId)
    );
    this.#labels = sides.map(labelOf);
    const isEditable = this.hasAttribute("editable");
    this.#editor = monaco.createDiffEditor(createBox(this), {
      ...OPTIONS,
      readOnly: !isEditable,
      originalEditable: false,
      useInlineViewWhenSpaceIsLimited: false,
      renderOverviewRuler: false,
      renderGutterMenu: false,
      renderMarginRevertIcon: isEditable,
      hideUnchangedRegions: { enabled: true },
    });
    this.#editor.setModel({ original, modified });
    this.#fit();
    if (!isEditable) this.#shrink();
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

  // As high as what is shown of both, below the height that the styles give: lines that stayed as
  // they were are folded away once they are known, and unfold at a click.
  #shrink() {
    const both = [this.#editor.getOriginalEditor(), this.#editor.getModifiedEditor()];
    for (const one of both) {
      one.onDidContentSizeChange(() => {
        const height = Math.max(...both.map((each) => each.getContentHeight()));
        this.style.maxHeight = `${height + BORDERS_PX}px`;
      });
    }
  }

  #fit = () => {
    // Monaco forgets the labels with every change of options that does not have them.
    const [originalAriaLabel, modifiedAriaLabel] = this.#labels;
    const renderSideBySide = SIDE_BY_SIDE.matches;
    this.#editor.updateOptions({ renderSideBySide, originalAriaLabel, modifiedAriaLabel });
  };
}
