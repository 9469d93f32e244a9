// Requests to the servers that the account allows.
import { AnyError, apply, indexOf, readGlobal, realFetch, slice } from "./kept.js";
import { call } from "./calls.js";
import { messageOf } from "./failures.js";

const REFUSAL = 'Requires net access to "';

export async function connect(...values) {
  const fetch = readGlobal(realFetch);
  try {
    return await apply(fetch, globalThis, values);
  } catch (error) {
    const refusal = notAllowed(error);
    if (refusal === null) throw error;
    await tellOfRefusal();
    throw refusal;
  }
}

// A request is counted by the platform first, because a function may have many sandboxes.
export async function fetch(...values) {
  if (!await call("http.permit", {})) {
    return new Response("Too many requests: 20 a second and function", { status: 429 });
  }
  return await connect(...values);
}

// It was permitted, and nothing was sent.
async function tellOfRefusal() {
  try {
    await call("http.refused", {});
  } catch {
    // The function hears why its request is refused, not who else does.
  }
}

// Deno says: Requires net access to "host:443", run again with …; of the address that a name leads
// to it says so in the cause.
function notAllowed(error) {
  for (const said of [messageOf(error), messageOf(error?.cause)]) {
    const at = indexOf(said, REFUSAL);
    if (at < 0) continue;
    const from = at + REFUSAL.length;
    const host = slice(said, from, indexOf(said, '"', from));
    const refusal = new AnyError(
      `Cannot connect to "${host}": it is not in the account's allow-list, not on port 80 or 443, ` +
        "or has a private address",
    );
    refusal.name = "NotCapable";
    return refusal;
  }
  return null;
}
