// Failures: how they are said to the author, and where in the source they are.
import {
  AnyError,
  asString,
  defineProperty,
  indexOf,
  slice,
  stringify,
  toInteger,
} from "./kept.js";

const MOST_NAME = 200;
const MOST_MESSAGE = 4000;
const MOST_HEADER = 2000;
const MOST_FRAMES = 4000;
export const CANNOT_BE_SHOWN = "[a value that cannot be shown]";
export const FRAME = "    at ";
const PLACE = "index.js, <anonymous>:";

// How many characters stand before the first line of the source.
let firstLineShift = 0;

export function shiftFirstLine(characters) {
  firstLineShift = characters;
}

// Properties of a thrown value may be getters or proxies of the function's own.
export function describe(thrown) {
  let name = "Error", message = "", stack = "", isError = false;
  try {
    if (typeof thrown === "object" && thrown !== null) {
      isError = thrown instanceof AnyError;
      name = asString(thrown.name ?? "Error");
      message = asString(thrown.message ?? stringify(thrown));
      stack = ownFrames(asString(thrown.stack ?? ""));
    } else {
      message = asString(thrown);
    }
  } catch {
    message ||= "The function threw a value that cannot be read";
  }
  return `{"name":${stringify(slice(name, 0, MOST_NAME))},` +
    `"message":${stringify(slice(message, 0, MOST_MESSAGE))},` +
    `"stack":${stringify(stack)},"isError":${isError}}`;
}

// A failure that is not of the function's own making.
export function ownError(code, message, name = "Error") {
  const text = stringify(slice(message, 0, MOST_MESSAGE));
  return `{"name":"${name}","message":${text},"code":"${code}"}`;
}

export function messageOf(error) {
  try {
    return asString(error.message);
  } catch {
    return CANNOT_BE_SHOWN;
  }
}

// An error that the author's code knows by its code.
export function coded(code, message) {
  const error = new AnyError(message);
  defineProperty(error, "code", { value: code, enumerable: true, writable: true });
  return error;
}

// An error whose place in the author's source is known, although no code of theirs has run.
export function placed(error, line, column) {
  const at = line === 1 ? column + firstLineShift : column;
  const stack = `${error.name}: ${error.message}\n${FRAME}${PLACE}${line}:${at}`;
  defineProperty(error, "stack", { value: stack });
  return error;
}

// Frames of the host and of Deno tell the author nothing. The wrapper stands before the first line,
// and Deno writes the place of evaluated code as "index.js, <anonymous>:2:8".
export function ownFrames(stack) {
  let first = indexOf(stack, "\n" + FRAME);
  if (first < 0) first = stack.length;
  const header = slice(stack, 0, first < MOST_HEADER ? first : MOST_HEADER);
  let frames = "";
  for (let from = first + 1; from < stack.length;) {
    let end = indexOf(stack, "\n", from);
    if (end < 0) end = stack.length;
    const frame = ownFrame(slice(stack, from, end));
    if (frames.length + frame.length > MOST_FRAMES) break;
    frames += frame;
    from = end + 1;
  }
  return header + frames;
}

function ownFrame(line) {
  const at = indexOf(line, PLACE);
  if (at < 0) return "";
  const place = slice(line, at + PLACE.length);
  const colon = indexOf(place, ":");
  const row = slice(place, 0, colon);
  const column = slice(place, colon + 1);
  const shift = row === "1" ? firstLineShift : 0;
  const bracket = indexOf(column, ")") < 0 ? "" : ")";
  return "\n" + slice(line, 0, at) +
    `index.js:${row}:${toInteger(column, 10) - shift}${bracket}`;
}
