// The way out of the toolbelt. The host gives each evaluated toolbelt an object `platform`; it is
// undefined while a source is only checked, so it is looked at when it is used, never on loading.
import { ToolBeltError } from "./errors.js";

const LIMITED = "Too many requests: 20 a second and function";
const FORBIDDEN = "You do not have access to the page or resource you are trying to reach: " +
  "its host is not in the account's allow-list";

export function accountId() {
  return platform.facts.accountId;
}

export function functionId() {
  return platform.facts.functionId;
}

// What the worker answers from the account's own rows. Refusals get the code of whom they concern:
// `otherwise` is for those that are about no particular rule of LivePerson's.
export async function call(op, values, component, otherwise) {
  try {
    return await platform.call(op, values);
  } catch (error) {
    const isVendors = String(error.code).startsWith("com.liveperson.");
    throw new ToolBeltError(component, isVendors ? error.code : otherwise, error.message, {
      cause: error,
    });
  }
}

// Under the limit of requests: who is over it gets 429 and nothing is sent.
export async function send(url, options) {
  return (await limited()) ?? await platform.fetch(url, options);
}

// A 429 when the function may send no request now, else null.
export async function limited() {
  if (await platform.call("http.permit", {})) return null;
  return new Response(LIMITED, { status: 429, statusText: "Too Many Requests" });
}

// What a host gives that is not in the account's allow-list, at the vendor's too.
export function forbidden() {
  return new Response(FORBIDDEN, { status: 403, statusText: "Forbidden" });
}

export function discoveryUrl(path) {
  return platform.facts.liveperson.csds + path;
}

// The address of a path at a host that service discovery named. It names bare hosts, which speak
// what discovery itself speaks.
export function serviceUrl(host, path) {
  const { csds } = platform.facts.liveperson;
  // Anything but a slash could be read as a part of the host's name.
  const separator = path.startsWith("/") ? "" : "/";
  return csds.slice(0, csds.indexOf("//") + 2) + host + separator + path;
}

// Times are kept by AbortSignal: setTimeout starts Deno's Node layer, which takes 25 ms. A signal
// that nobody listens to any more does not keep a function waiting that forgot its callback.

// Fails with what `refuse` makes after so many milliseconds.
export async function within(ms, promise, refuse) {
  const clock = AbortSignal.timeout(ms);
  let ring;
  const late = new Promise((_, reject) => {
    ring = () => reject(refuse());
    clock.addEventListener("abort", ring);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clock.removeEventListener("abort", ring);
  }
}

export function pause(ms) {
  return new Promise((resolve) => {
    AbortSignal.timeout(ms).addEventListener("abort", resolve, { once: true });
  });
}
