// What runs inside Deno: one process serves one program, one event at a time.
//
// The channel is fd 0, a Unix stream socket: frames of a little-endian u32 length and JSON. Between
// two events the isolate is blocked in read(2), so nothing that a function left behind (timers,
// sockets, promises) can go on. User code shares this process; it can forge its own answers and
// nobody else's. What must hold against it is the process's confinement, not this file.
//
//   to the host     {"load":{source,environment,facts,limits}}  {"id","event","traceId"?}  {"check":source,"about"?}
//                   {"answer","value"}  {"answer","error":{code,message}}
//   from the host   {"ready":true} or {"ready":false,"error","logs","dropped"}
//                   {"id","ok":true,"value","logs","dropped","ms"}  {"id","ok":false,"error",…}
//                   {"call","op","arguments"}  {"problems":[…]}
//
// While the function waits for the answer to a call, the channel is read beside it. Every call is
// answered before the next event, also those whose function did not wait for them.

import { AnyError, apply, exit, hasOwn, setAsyncContext, stringify } from "./kept.js";
import { allowCalls, whenAllAnswered } from "./calls.js";
import { check } from "./checking.js";
import { compile } from "./compiling.js";
import { begin } from "./current.js";
import { describe } from "./failures.js";
import { readFrame, writeFrame } from "./frames.js";
import { Invocation } from "./invocation.js";
import { say } from "./journal.js";
import { compileOrRefuse, lambda, load, refuseLoad } from "./loading.js";

const WRONG_ERROR =
  "callback was called with something else than an Error: use callback(new Error(…))";

function isError(value) {
  try {
    return value instanceof AnyError;
  } catch {
    return false;
  }
}

function run(invocation, event) {
  try {
    if (lambda.length >= 2) {
      const returned = lambda(event, (error, value) => {
        const ok = error === null || error === undefined;
        if (!ok && !isError(error)) say("Warn", [WRONG_ERROR]);
        invocation.settle(ok, ok ? value : error);
      });
      // The callback decides; only a rejection is an answer too.
      whenSettled(returned, undefined, (error) => {
        invocation.settle(false, error);
      });
    } else {
      const returned = lambda(event);
      const isPromise = whenSettled(
        returned,
        (value) => invocation.settle(true, value),
        (error) => invocation.settle(false, error),
      );
      if (!isPromise) invocation.settle(true, returned);
    }
  } catch (error) {
    invocation.settle(false, error);
  }
}

// False when the value is no promise and nothing like one.
function whenSettled(value, resolved, rejected) {
  if (
    value === null || typeof value !== "object" && typeof value !== "function"
  ) {
    return false;
  }
  const own = value.then;
  if (typeof own !== "function") return false;
  apply(own, value, [resolved, rejected]);
  return true;
}

async function loadLater(program, error) {
  const compiled = await compileOrRefuse(error, program.source);
  try {
    await load(program, compiled);
  } catch (failure) {
    refuseLoad(describe(failure));
  }
  writeFrame('{"ready":true}');
  whenAllAnswered(serve);
}

async function answerCheck(source, about) {
  writeFrame(stringify({ problems: await check(source, about) }));
  serve();
}

// Runs frames until one is an event, whose answer goes on from there.
function serve() {
  try {
    for (;;) {
      const frame = readFrame();
      if (hasOwn(frame, "event")) {
        const invocation = new Invocation(frame.id, frame.traceId, serve);
        allowCalls();
        begin(invocation);
        run(invocation, frame.event);
        setAsyncContext(undefined); // what nobody's code goes back to is not this event's
        return;
      }
      if (hasOwn(frame, "check")) {
        answerCheck(frame.check, frame.about).catch(() => exit(1));
        return;
      }
      let compiled;
      try {
        compiled = compile(frame.load.source);
      } catch (error) {
        loadLater(frame.load, error).catch(() => exit(1));
        return;
      }
      try {
        load(frame.load, compiled);
      } catch (error) {
        refuseLoad(describe(error));
      }
      writeFrame('{"ready":true}');
    }
  } catch {
    exit(1); // the channel is broken or user code has closed it
  }
}
serve();
