// How functions are checked, in the editor, in its worker and in the tests.

// Checked as a module, although it runs as a script: otherwise the functions of two editors would
// share their globals.
export const COMPILER_OPTIONS = {
  allowJs: true,
  checkJs: true,
  allowNonTsExtensions: true,
  noEmit: true,
  target: 99, // ESNext
  lib: ["es2024"],
  module: 1, // CommonJS
  esModuleInterop: true,
  moduleDetection: 3, // every file is one
  types: [],
};

const NO_OVERLAP = 2367;
const CANNOT_FIND_NAME = 2304;
const CANNOT_FIND_MODULE = 2307;

// Names, members and syntax are mistakes in any JavaScript. That a value does not fit an inferred
// type is not: a list of one kind of command takes another, dates can be subtracted.
export const IGNORED = [
  ...[2322, 2345, 2353, 2418, 2559, 2739, 2740, 2741, 2769], // not assignable
  ...[2356, 2362, 2363, 2365], // operands
  ...[2403], // another type when declared again
  ...[1065], // what an async lambda returns: what its event says is for all kinds of lambda
];

// A problem that only seems to be one.
export function isNoise({ code, messageText }) {
  const message = typeof messageText === "string" ? messageText : messageText.messageText;
  // A constant that its author has not filled in yet overlaps with nothing. One of the values that
  // a payload's field can take is another matter: a misspelt one never comes.
  if (code === NO_OVERLAP) return !/'"[A-Z_]+"( \| "[A-Z_]+")+'/.test(message);
  // The sandbox knows which modules there are, and says so beside this.
  if (code === CANNOT_FIND_MODULE) return true;
  // The event's declarations are on their way, or could not be read.
  return code === CANNOT_FIND_NAME && message.includes("HoustonLambda");
}

// What helps in a function: to change its own text, other than by telling TypeScript to be quiet.
export function isHelpful({ fixName, changes }, fileName) {
  return fixName !== "disableJsDiagnostics" && changes.every((one) => one.fileName === fileName);
}
