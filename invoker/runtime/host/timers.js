// Timers and microtasks: what they run, and fail with, is the event's that started them.
import { apply, defineProperty, microtask, readGlobal, realTimers } from "./kept.js";
import { current, isLeftover } from "./current.js";

export function guarded(callback) {
  if (typeof callback !== "function") return callback;
  return function (...values) {
    try {
      return apply(callback, this, values);
    } catch (error) {
      if (!isLeftover()) current?.settle(false, error);
    }
  };
}

// Those of Node, with what hangs on them. Deno starts Node's layer when it is first asked for one.
const timers = { __proto__: null };
export function timer(name) {
  if (timers[name]) return timers[name];
  const schedule = readGlobal(realTimers[name]);
  const { own } = {
    own(...values) {
      values[0] = guarded(values[0]);
      return apply(schedule, globalThis, values);
    },
  };
  return timers[name] = Object.defineProperties(own, Object.getOwnPropertyDescriptors(schedule));
}

for (const name in realTimers) {
  defineProperty(globalThis, name, {
    get: () => timer(name),
    set: (value) => defineProperty(globalThis, name, { value, writable: true, configurable: true }),
    enumerable: true,
    configurable: true,
  });
}
defineProperty(globalThis, "queueMicrotask", {
  value: (callback) => microtask(guarded(callback)),
  writable: true,
  enumerable: true,
  configurable: true,
});
