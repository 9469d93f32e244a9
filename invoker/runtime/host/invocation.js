// One invocation of the function, and its only answer.
import {
  afterwards,
  clock,
  errorOf,
  exit,
  preventDefault,
  reasonOf,
  round,
  stringify,
} from "./kept.js";
import { forgetWaiting, whenAllAnswered } from "./calls.js";
import { current, end, isLeftover, limits } from "./current.js";
import { describe, messageOf, ownError } from "./failures.js";
import { writeFrame } from "./frames.js";
import { takeJournal } from "./journal.js";
import { isTooDeep, MOST_LEVELS } from "./values.js";

export class Invocation {
  id;
  traceId;
  next;
  startedAt = clock();
  isSettled = false;

  // Calls `next` when the answer is out.
  constructor(id, traceId, next) {
    this.id = id;
    this.traceId = traceId ?? "";
    this.next = next;
  }

  settle(ok, value) {
    this.answer(() => ok ? resultOf(value) : `"ok":false,"error":${describe(value)}`);
  }

  fail(code, message) {
    this.answer(() => `"ok":false,"error":${ownError(code, message)}`);
  }

  // Only the first answer counts. It goes out when the code that gave it has come to its end: what
  // runs on would do so while the sandbox is taken to be idle.
  answer(describeOutcome) {
    if (this.isSettled) return;
    this.isSettled = true;
    forgetWaiting();
    const outcome = describeOutcome();
    const ms = round((clock() - this.startedAt) * 1000) / 1000;
    afterwards(() => {
      try {
        writeFrame(`{"id":${this.id},${outcome},${takeJournal()},"ms":${ms}}`);
      } catch {
        exit(1); // user code has closed the channel
      }
      end();
      whenAllAnswered(this.next);
    });
  }
}

function resultOf(value) {
  let text;
  try {
    text = stringify(value) ?? "null";
  } catch (error) {
    return refused(
      "result-not-json",
      `The result is not JSON: ${messageOf(error)}`,
    );
  }
  if (text.length > limits.result) {
    return refused(
      "result-too-large",
      `The result has ${text.length} characters, at most ${limits.result} are taken`,
    );
  }
  if (isTooDeep(text)) {
    return refused(
      "result-too-large",
      `The result is nested deeper than ${MOST_LEVELS} levels`,
    );
  }
  return `"ok":true,"value":${text}`;
}

function refused(code, message) {
  return `"ok":false,"error":${ownError(code, message, "ResultError")}`;
}

addEventListener("unhandledrejection", (event) => {
  preventDefault(event);
  if (!isLeftover()) current?.settle(false, reasonOf(event));
});
// Deno tells of an error when the context of what threw is over, so whose it is cannot be known here
// any more: timers are guarded for that.
addEventListener("error", (event) => {
  preventDefault(event);
  current?.settle(false, errorOf(event));
});
// The event loop is empty, so nothing is left that could answer.
addEventListener("beforeunload", (event) => {
  if (current === null) return; // the host itself has come to its end
  preventDefault(event);
  current.fail("no-result", "The function ended without calling its callback");
});
