// What a replay found, as a file: rows come slice by slice, and only this page keeps them. And
// its end before the last slice: the one under way is waited for, so that nothing of it is lost.

let rows = [];
let lines = [];
let header = "";
let stopping = false;

document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target.id !== "replay-result" && target.id !== "replay-state") return;
  if (target.id === "replay-result") [rows, lines, stopping] = [[], [], false];
  const slice = document.querySelector("#replay-file");
  if (slice) {
    const found = JSON.parse(slice.textContent);
    slice.remove();
    rows.push(...found.rows);
    lines.push(found.csv);
    header = found.header;
  }
  const offer = document.querySelector(".replay-files");
  if (offer) offer.hidden = rows.length === 0;
});

document.addEventListener("htmx:configRequest", (event) => {
  if (!stopping || !event.target.closest("#replay-state")) return;
  event.detail.parameters.stop = "yes";
  stopping = false;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-stops-replay]");
  if (!button) return;
  stopping = true;
  button.disabled = true;
  button.textContent = "Stopping…";
});

document.addEventListener("click", (event) => {
  const kind = event.target.closest?.("[data-replay-file]")?.dataset.replayFile;
  if (!kind) return;
  const [text, type] = kind === "csv"
    ? [header + lines.join(""), "text/csv"]
    : [JSON.stringify(rows, null, 2), "application/json"];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `replay.${kind}`;
  link.click();
  URL.revokeObjectURL(link.href);
});
