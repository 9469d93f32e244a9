// Service discovery: which host serves which of the vendor's services for this account.
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { accountId, discoveryUrl, send } from "./platform.js";

const COMPONENT = "CSDS-Client";
const REMEMBERED_MS = 10 * 60_000;

// Of this sandbox and thereby of one account. A promise, so that clients that begin together ask
// once.
let found = null;
let foundUntil = 0;

async function domains() {
  if (found !== null && Date.now() < foundUntil) {
    try {
      return await found;
    } catch {
      // It may have been asked by an event that is over and gets no answers any more.
    }
  }
  foundUntil = Date.now() + REMEMBERED_MS;
  const own = found = discover();
  try {
    return await own;
  } catch (error) {
    if (found === own) found = null;
    throw error;
  }
}

async function discover() {
  const path = `/api/account/${accountId()}/service/baseURI.json?version=1.0`;
  let status, answer;
  try {
    const response = await send(discoveryUrl(path));
    status = response.status;
    answer = await response.json();
  } catch (error) {
    if (status === undefined) throw failure(error.message, error);
  }
  if (status !== 200 || !Array.isArray(answer?.baseURIs)) {
    throw failure(`the answer has the status ${status} and no list of services`);
  }
  return new Map(answer.baseURIs.map(({ service, baseURI }) => [service, baseURI]));
}

function failure(why, cause) {
  const message = `Cannot find LivePerson's services: ${why}`;
  return new ToolBeltError(COMPONENT, ErrorCodes.Csds.Failure, message, { cause });
}

export async function hostOf(service) {
  const host = (await domains()).get(service);
  if (host !== undefined) return host;
  throw new ToolBeltError(
    COMPONENT,
    ErrorCodes.Csds.NotFound,
    `Cannot reach "${service}": LivePerson names no host for it in this account`,
  );
}

export const csdsClient = {
  get: hostOf,
  async getAll() {
    return Array.from(await domains(), ([service, host]) => ({ [service]: host }));
  },
};
