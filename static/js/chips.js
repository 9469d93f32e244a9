// <chip-list> around a text field of words: each word becomes a chip that can be taken away.
// The field stays, hidden, and holds all words; without this script people type into it.

const SEPARATORS = /[\s,]+/;

class ChipList extends HTMLElement {
  connectedCallback() {
    const field = this.querySelector("input");
    if (!field || field.disabled || this.entry) return;
    this.field = field;
    this.entry = field.cloneNode();
    this.entry.removeAttribute("name");
    this.entry.removeAttribute("maxlength");
    this.entry.value = "";
    field.removeAttribute("id");
    field.type = "hidden";
    this.append(this.entry);
    this.classList.add("chips");
    this.add(field.value);

    this.entry.addEventListener("input", () => {
      if (SEPARATORS.test(this.entry.value)) this.take();
      this.write();
    });
    this.entry.addEventListener("blur", () => this.take());
    this.entry.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && this.entry.value) {
        event.preventDefault();
        this.take();
      } else if (event.key === "Backspace" && !this.entry.value) {
        this.chips().at(-1)?.remove();
        this.write();
      }
    });
    this.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      button?.parentElement.remove();
      this.write();
      this.entry.focus();
      if (button) this.entry.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  chips() {
    return [...this.querySelectorAll(".chip")];
  }

  take() {
    this.add(this.entry.value);
    this.entry.value = "";
    this.write();
  }

  add(text) {
    for (const word of text.split(SEPARATORS).filter(Boolean)) {
      if (this.chips().some((chip) => chip.dataset.word === word)) continue;
      const chip = document.createElement("span");
      const button = document.createElement("button");
      chip.className = "chip mono";
      chip.dataset.word = word;
      button.type = "button";
      button.textContent = "×";
      button.ariaLabel = `Remove ${word}`;
      chip.append(word, button);
      this.entry.before(chip);
    }
    this.write();
  }

  write() {
    const words = this.chips().map((chip) => chip.dataset.word);
    this.field.value = [...words, this.entry.value.trim()].filter(Boolean).join(", ");
    this.entry.placeholder = words.length ? "" : this.field.placeholder;
  }
}

customElements.define("chip-list", ChipList);
