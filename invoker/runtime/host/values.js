// Values of the author's own, as text and as JSON.
import { AnyError, asString, indexOf, stringify } from "./kept.js";
import { CANNOT_BE_SHOWN, ownFrames } from "./failures.js";

// Readers in Python, ours and others behind it, end at a thousand levels less those they are in.
export const MOST_LEVELS = 200;

export function asText(value) {
  if (typeof value === "string") return value;
  try {
    if (value instanceof AnyError) {
      return ownFrames(asString(value.stack || value));
    }
    return asString(stringify(value) ?? asString(value));
  } catch {
    return CANNOT_BE_SHOWN;
  }
}

// JSON of any value.
export function asJson(value) {
  try {
    if (value instanceof AnyError) {
      return `{"name":${stringify(asString(value.name))},` +
        `"message":${stringify(asString(value.message))}}`;
    }
    const text = stringify(value) ?? stringify(asString(value));
    if (!isTooDeep(text)) return text;
  } catch {
    // said below
  }
  return stringify(CANNOT_BE_SHOWN);
}

export function isTooDeep(json) {
  if (json.length <= 2 * MOST_LEVELS) return false;
  let level = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = endOfText(json, at);
    else if (character === "[" || character === "{") {
      if (++level > MOST_LEVELS) return true;
    } else if (character === "]" || character === "}") level--;
  }
  return false;
}

function endOfText(json, start) {
  for (let end = start;;) {
    end = indexOf(json, '"', end + 1);
    let before = end;
    while (json[before - 1] === "\\") before--;
    if ((end - before) % 2 === 0) return end;
  }
}
