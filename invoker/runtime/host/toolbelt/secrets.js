// Secrets of the account. The first generation reads them as they are stored, text, number or JSON;
// the second keeps text alone and remembers it for five minutes.
import { ErrorCodes, SecretError, ToolBeltError } from "./errors.js";
import { call, within } from "./platform.js";

const COMPONENT = "SecretStore";
const MOST_V1 = 10_000;
const MOST_V2 = 16_384;
const REMEMBERED_MS = 5 * 60_000;
const PATIENCE_MS = 5_000;

// Of this sandbox, so that what one event read is there for the next.
class SecretCache {
  #entries = new Map();
  #ttl = REMEMBERED_MS;

  set(key, value, ttl) {
    this.#entries.set(key, { value, until: Date.now() + (ttl ?? this.#ttl) });
  }

  // The value, or null.
  get(key) {
    return this.has(key) ? this.#entries.get(key).value : null;
  }

  has(key) {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until <= Date.now()) this.#entries.delete(key);
    return this.#entries.has(key);
  }

  delete(key) {
    return this.#entries.delete(key);
  }

  clear() {
    this.#entries.clear();
  }

  size() {
    return this.#entries.size;
  }

  getAll() {
    return [...this.#entries.values()].map(({ value }) => value);
  }

  setDefaultTtl(ms) {
    this.#ttl = ms;
  }
}

export const globalSecretCache = new SecretCache();

function checked(entry, most) {
  const { key, value } = entry ?? {};
  if (typeof key !== "string" || value === undefined) {
    throw new SecretError(
      ErrorCodes.Secret.Invalid,
      "Cannot update a secret: it is given as { key, value }",
    );
  }
  const { length } = asText(value);
  if (length > most) {
    throw new SecretError(
      ErrorCodes.Secret.Invalid,
      `Cannot update the secret "${key}": its value has ${length} characters, at most ${most} fit`,
    );
  }
  return { key, value };
}

function asText(value) {
  return typeof value === "string" ? value : String(JSON.stringify(value));
}

async function ask(op, values) {
  try {
    return await call(op, values, COMPONENT, ErrorCodes.Secret.Failure);
  } catch (error) {
    throw new SecretError(error.code, error.message, { cause: error });
  }
}

export const secretClientV1 = {
  readSecret(key) {
    return ask("secret.read", { key });
  },
  async updateSecret(entry) {
    return await ask("secret.update", checked(entry, MOST_V1));
  },
};

export function secretClient({ cache } = {}) {
  if (cache?.ttl !== undefined) globalSecretCache.setDefaultTtl(cache.ttl);
  return client;
}

// An object of its own each time: who changes what was read does not change what is remembered.
function remember({ key, value }) {
  globalSecretCache.set(key, { key, value: asText(value) });
  return { key, value: asText(value) };
}

function inTime(timeout, op, values) {
  return within(timeout, ask(op, values), () =>
    new ToolBeltError(
      COMPONENT,
      ErrorCodes.Secret.Timeout,
      `The secret "${values.key}" was not answered for within ${timeout} ms`,
    ));
}

const client = {
  async readSecret(key, { useCache = true, timeout = PATIENCE_MS } = {}) {
    const known = useCache ? globalSecretCache.get(key) : null;
    return known === null ? remember(await inTime(timeout, "secret.read", { key })) : { ...known };
  },
  async updateSecret(entry, { timeout = PATIENCE_MS } = {}) {
    const wanted = checked(entry, MOST_V2);
    // What was stored is not known any more when this fails half-way.
    globalSecretCache.delete(wanted.key);
    return remember(await inTime(timeout, "secret.update", wanted));
  },
};
