// Calls of the platform, which it answers while the function waits.
import { AnyError, exit, hasOwn, Later, stringify } from "./kept.js";
import { current, isLeftover, isLoading, limits } from "./current.js";
import { coded } from "./failures.js";
import { arrived, readMore, takeFrame, writeFrame } from "./frames.js";

const MOST_UNANSWERED = 64;
const EVENT_IS_OVER = "The event that asks is over";

const calls = { __proto__: null };
const waiting = { __proto__: null }; // until fewer are unanswered
let callsMade = 0; // of the current event
let lastCall = 0; // of all that were made
let lastSent = 0;
let unanswered = 0;
let isListening = false;
let afterAnswers = null;

// A new event may make as many calls as any.
export function allowCalls() {
  callsMade = 0;
}

// Resolves to what the platform answers, rejects with an Error and its code.
export function call(op, values) {
  return new Later((resolve, reject) => {
    if (isLeftover() || current === null && !isLoading || current?.isSettled) {
      reject(new AnyError(EVENT_IS_OVER));
    } else if (++callsMade > limits.calls) {
      const message = `At most ${limits.calls} calls of the platform are answered for one event`;
      reject(coded("too-many-calls", message));
    } else {
      const number = ++lastCall;
      calls[number] = { resolve, reject };
      waiting[number] = `{"call":${number},"op":${stringify(op)},"arguments":${stringify(values)}}`;
      sendWaiting();
    }
  });
}

// Not all at once: who only writes and never reads would wait for the other side for ever.
function sendWaiting() {
  while (lastSent < lastCall && unanswered < MOST_UNANSWERED) {
    const number = ++lastSent;
    writeFrame(waiting[number]);
    delete waiting[number];
    unanswered++;
  }
  if (unanswered > 0 && !isListening) listen().catch(() => exit(1));
}

// The event is over: what was not sent is not asked any more.
export function forgetWaiting() {
  while (lastSent < lastCall) {
    const number = ++lastSent;
    calls[number].reject(new AnyError(EVENT_IS_OVER));
    delete calls[number];
    delete waiting[number];
  }
}

// Goes on at once if no call is unanswered.
export function whenAllAnswered(next) {
  if (unanswered === 0) next();
  else afterAnswers = next;
}

async function listen() {
  isListening = true;
  while (unanswered > 0) {
    const frame = takeFrame();
    if (frame === null) {
      arrived(await readMore());
      continue;
    }
    const { resolve, reject } = calls[frame.answer];
    delete calls[frame.answer];
    unanswered--;
    sendWaiting();
    if (hasOwn(frame, "error")) reject(coded(frame.error.code, frame.error.message));
    else resolve(frame.value);
  }
  isListening = false;
  const next = afterAnswers;
  afterAnswers = null;
  next?.();
}
