// Values that functions of the account keep from one event to another. The vendor's store is behind
// an API of its own and a developer key; here it is the account's own, so the key opens nothing.
import { ContextCodes, ToolBeltError } from "./errors.js";
import { accountId, call } from "./platform.js";

const COMPONENT = "ContextServiceClient";
const DEFAULT_SESSION = "__default__";

function ask(op, values) {
  return call(`context.${op}`, values, COMPONENT, ContextCodes.Failure);
}

function dated(namespace) {
  return { ...namespace, createdAt: new Date(namespace.createdAt) };
}

const client = {
  async createNamespace(namespace, { ttl } = {}) {
    return dated(
      await ask("createNamespace", ttl === undefined ? { namespace } : { namespace, ttl }),
    );
  },
  async deleteNamespace(namespace) {
    await ask("deleteNamespace", { namespace });
  },
  async getListOfNamespaces() {
    return (await ask("getListOfNamespaces", {})).map(dated);
  },
  setPropertiesInNamespace(namespace, properties, session = DEFAULT_SESSION) {
    return ask("setPropertiesInNamespace", { namespace, properties, session });
  },
  updatePropertiesInNamespace(namespace, properties, session = DEFAULT_SESSION) {
    return ask("updatePropertiesInNamespace", { namespace, properties, session });
  },
  getAllPropertiesInSession(namespace, session = DEFAULT_SESSION) {
    return ask("getProperties", { namespace, names: null, session });
  },
  getSelectedPropertiesInSession(namespace, names, session = DEFAULT_SESSION) {
    return ask("getProperties", { namespace, names, session });
  },
  // The vendor's API answers 404 for what is not there, which its client throws.
  async getPropertyInSession(namespace, name, session = DEFAULT_SESSION) {
    const properties = await ask("getProperties", { namespace, names: [name], session });
    if (Object.hasOwn(properties, name)) return properties[name];
    const message =
      `Cannot read "${name}" of "${namespace}": it is not in the session "${session}"`;
    throw new ToolBeltError(COMPONENT, ContextCodes.NotFound, message);
  },
  async deletePropertyInSession(namespace, name, session = DEFAULT_SESSION) {
    await ask("deletePropertyInSession", { namespace, name, session });
  },
  async deleteSession(namespace, session = DEFAULT_SESSION) {
    await ask("deleteSession", { namespace, session });
  },
  getListOfSessions(namespace) {
    return ask("getListOfSessions", { namespace });
  },
};

export function contextServiceClient(apiKey) {
  if (!apiKey) throw new Error("Cannot use the context store: an API key is missing");
  return client;
}

export function contextServiceClientV1({ apiKey, accountId: account } = {}) {
  if (!account) throw new Error("Cannot use the context store: an account id is missing");
  // Whoever means another account's must not read and write the own one's without knowing.
  if (account !== accountId()) {
    throw new Error(
      `Cannot use the context store of the account "${account}": functions reach their own alone`,
    );
  }
  return contextServiceClient(apiKey);
}
