// The console that functions see.
import { current } from "./current.js";
import { say } from "./journal.js";

export const console = {};
for (
  const [method, level] of Object.entries({
    debug: "Debug",
    trace: "Debug",
    log: "Info",
    info: "Info",
    warn: "Warn",
    error: "Error",
  })
) {
  console[method] = (...values) => say(level, values);
}
console.getTraceId = () => current?.traceId ?? "";
