// What console was called with since the last answer. What is said while the code loads goes out
// with the first one.
import { now, stringify } from "./kept.js";
import { isLeftover, limits } from "./current.js";
import { asJson, asText } from "./values.js";

let entries = "";
let count = 0;
let characters = 0;
let dropped = 0;

export function say(level, values) {
  if (isLeftover()) return;
  if (count >= limits.entries) {
    dropped++;
    return;
  }
  const message = asText(values[0]);
  const left = limits.characters - characters;
  if (message.length > left) {
    dropped++;
    return;
  }
  let extras = "";
  for (let n = 1; n < values.length && extras.length <= left; n++) {
    extras += (n > 1 ? "," : "") + asJson(values[n]);
  }
  const entry = `{"level":"${level}","message":${stringify(message)},` +
    `"extras":[${extras}],"timestamp":${now()}}`;
  if (entry.length > left) {
    dropped++;
    return;
  }
  entries += (count ? "," : "") + entry;
  characters += entry.length;
  count++;
}

// Empties it.
export function takeJournal() {
  const text = `"logs":[${entries}],"dropped":${dropped}`;
  entries = "";
  count = characters = dropped = 0;
  return text;
}
