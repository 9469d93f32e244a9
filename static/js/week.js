// The week as a grid that is drawn from the form's rows and writes to them. Windows are made by
// dragging over free time, moved and resized by dragging or with the keyboard, and removed.

const DAY = 24 * 60;
const STEP = 15;
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const FULL = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const minutes = (time) => {
  const [hours, rest] = time.split(":").map(Number);
  return hours * 60 + (rest || 0);
};
const clock = (at) => {
  const rest = ((at % DAY) + DAY) % DAY;
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(rest / 60))}:${two(rest % 60)}`;
};
const snapped = (at) => Math.round(at / STEP) * STEP;

class Week {
  constructor(form) {
    this.form = form;
    this.body = form.querySelector("[data-windows] tbody");
    this.template = form.querySelector("template");
    this.saved = this.print();
    this.grid = document.createElement("div");
    this.grid.className = "week-grid";
    this.grid.setAttribute("role", "group");
    this.grid.setAttribute("aria-label", "The week: drag over free time to add a window");
    form.querySelector(".week-rows").before(this.grid);
    this.compact();
    this.drawFrame();
    this.draw();
    this.listen();
  }

  rows() {
    return [...this.body.querySelectorAll(".window")];
  }

  fields(row) {
    return {
      day: row.querySelector("[name=day]"),
      start: row.querySelector("[name=start]"),
      end: row.querySelector("[name=end]"),
    };
  }

  // A row's window in minutes since its day began; its end may lie on the next day.
  read(row) {
    const { day, start, end } = this.fields(row);
    if (!start.value || !end.value) return null;
    const from = minutes(start.value);
    const to = minutes(end.value);
    return { day: Number(day.value), start: from, end: to > from ? to : to + DAY };
  }

  write(row, { day, start, end }) {
    const fields = this.fields(row);
    fields.day.value = String(day);
    fields.start.value = clock(start);
    fields.end.value = clock(end);
    this.changed();
  }

  print() {
    return JSON.stringify(this.rows().map((row) => this.read(row)).filter(Boolean));
  }

  // With a script, empty rows are made when they are asked for.
  compact() {
    for (const row of this.rows()) {
      if (!this.read(row)) row.remove();
      else row.querySelector("[data-removes-window]").hidden = false;
    }
    for (const each of this.form.querySelectorAll("[data-adds-window], [data-evens-windows]")) {
      each.hidden = false;
    }
  }

  add(window) {
    const row = this.template.content.cloneNode(true).querySelector(".window");
    row.querySelector("[data-removes-window]").hidden = false;
    this.body.append(row);
    if (window) this.write(row, window);
    return row;
  }

  remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.changed();
    return next;
  }

  // Every window gets the times of the first one; whoever opens at nine rarely does so once.
  even() {
    const rows = this.rows().filter((row) => this.read(row));
    if (!rows.length) return;
    const { start, end } = this.read(rows[0]);
    for (const row of rows.slice(1)) {
      const fields = this.fields(row);
      fields.start.value = clock(start);
      fields.end.value = clock(end);
    }
    this.changed();
  }

  get dirty() {
    return this.print() !== this.saved;
  }

  changed() {
    this.form.querySelector("[data-unsaved-note]").hidden = !this.dirty;
    this.draw();
  }

  drawFrame() {
    const hours = document.createElement("div");
    hours.className = "hours";
    for (let hour = 0; hour < 24; hour += 3) {
      const label = document.createElement("span");
      label.textContent = `${String(hour).padStart(2, "0")}:00`;
      label.style.top = `${(hour / 24) * 100}%`;
      hours.append(label);
    }
    this.columns = DAYS.map((name, day) => {
      const column = document.createElement("div");
      column.className = "day";
      column.dataset.day = day;
      const head = document.createElement("span");
      head.className = "name";
      head.textContent = name;
      const track = document.createElement("div");
      track.className = "track";
      track.tabIndex = 0;
      // No button: the windows in it are buttons themselves.
      track.setAttribute("role", "group");
      track.setAttribute("aria-label", `${FULL[day]}: Enter adds a window from 09:00 to 17:00`);
      column.append(head, track);
      return column;
    });
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.append(hours, ...this.columns);
    this.grid.append(frame);
  }

  track(day) {
    return this.columns[day].querySelector(".track");
  }

  draw() {
    const focused = document.activeElement?.closest?.(".week-grid .block")?.row;
    this.grid.querySelectorAll(".block").forEach((block) => block.remove());
    for (const row of this.rows()) {
      const window = this.read(row);
      if (!window) continue;
      this.drawPiece(row, window, window.day, window.start, Math.min(window.end, DAY));
      if (window.end > DAY) {
        this.drawPiece(row, window, (window.day + 1) % 7, 0, window.end - DAY, true);
      }
    }
    if (focused) this.block(focused)?.focus();
  }

  block(row) {
    return [...this.grid.querySelectorAll(".block")].find((each) => each.row === row);
  }

  drawPiece(row, window, day, start, end, rest = false) {
    const block = document.createElement("div");
    block.className = "block";
    block.row = row;
    block.style.top = `${(start / DAY) * 100}%`;
    block.style.height = `${((end - start) / DAY) * 100}%`;
    const times = `${clock(window.start)}–${clock(window.end)}`;
    block.title = times;
    if (rest) {
      block.setAttribute("aria-hidden", "true");
      block.dataset.rest = "";
    } else {
      block.tabIndex = 0;
      block.setAttribute("role", "button");
      block.setAttribute(
        "aria-label",
        `${
          FULL[window.day]
        } ${times}. Arrow keys move it, with Shift they change its end, Delete removes it`,
      );
      const label = document.createElement("span");
      label.textContent = times;
      const handle = document.createElement("i");
      handle.className = "handle";
      block.append(label, handle);
    }
    this.track(day).append(block);
  }

  listen() {
    this.body.addEventListener("input", () => this.changed());
    this.form.addEventListener("click", (event) => {
      const remove = event.target.closest("[data-removes-window]");
      if (remove) this.remove(remove.closest(".window"))?.querySelector("select")?.focus();
      if (event.target.closest("[data-adds-window]")) {
        this.fields(this.add()).day.focus();
      }
      if (event.target.closest("[data-evens-windows]")) this.even();
    });
    this.grid.addEventListener("pointerdown", (event) => this.grab(event));
    this.grid.addEventListener("keydown", (event) => this.press(event));
    this.form.addEventListener("submit", () => (this.leaving = true));
    addEventListener("beforeunload", (event) => {
      if (this.dirty && !this.leaving) event.preventDefault();
    });
  }

  at(event, track) {
    const box = track.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    return share * DAY;
  }

  day(event) {
    const over = this.columns.findIndex((column) => {
      const box = column.getBoundingClientRect();
      return event.clientX >= box.left && event.clientX < box.right;
    });
    return over < 0 ? null : over;
  }

  grab(event) {
    const track = event.target.closest(".track");
    // A finger scrolls; on touch screens the rows below are there for changes.
    if (!track || event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault();
    const block = event.target.closest(".block");
    const from = this.at(event, track);
    let row = block?.row;
    const before = row && this.read(row);
    const resizes = event.target.classList.contains("handle");
    const day = Number(track.parentElement.dataset.day);
    const move = (moved) => {
      const to = this.at(moved, track);
      if (!row) {
        if (Math.abs(to - from) < STEP / 2) return;
        const [start, end] = [snapped(Math.min(from, to)), snapped(Math.max(from, to))];
        if (end > start) row = this.add({ day, start, end });
      } else if (!before) {
        const [start, end] = [snapped(Math.min(from, to)), snapped(Math.max(from, to))];
        if (end > start) this.write(row, { day, start, end });
      } else if (resizes) {
        const end = Math.max(before.start + STEP, snapped(to));
        this.write(row, { ...before, end });
      } else {
        const length = before.end - before.start;
        const start = Math.min(
          DAY - STEP,
          Math.max(0, snapped(before.start + to - from)),
        );
        this.write(row, { day: this.day(moved) ?? before.day, start, end: start + length });
      }
    };
    const drop = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", drop);
      removeEventListener("pointercancel", drop);
      (row ? this.block(row) : track)?.focus();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", drop);
    addEventListener("pointercancel", drop);
  }

  press(event) {
    const block = event.target.closest(".block");
    if (!block) {
      const track = event.target.closest(".track");
      if (track && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        const day = Number(track.parentElement.dataset.day);
        this.block(this.add({ day, start: 9 * 60, end: 17 * 60 })).focus();
      }
      return;
    }
    const window = this.read(block.row);
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.remove(block.row);
      this.track(window.day).focus();
      return;
    }
    const changed = this.step(window, event.key, event.shiftKey);
    if (!changed) return;
    event.preventDefault();
    this.write(block.row, changed);
  }

  step({ day, start, end }, key, stretches) {
    const by = { ArrowUp: -STEP, ArrowDown: STEP }[key];
    if (by && stretches) {
      const to = end + by;
      return to > start && to - start <= DAY ? { day, start, end: to } : null;
    }
    if (by) {
      const from = start + by;
      return from >= 0 && from < DAY ? { day, start: from, end: end + by } : null;
    }
    const aside = { ArrowLeft: 6, ArrowRight: 1 }[key];
    return aside ? { day: (day + aside) % 7, start, end } : null;
  }
}

document.querySelectorAll("[data-week]").forEach((form) => new Week(form));
