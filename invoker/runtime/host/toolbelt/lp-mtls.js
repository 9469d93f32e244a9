// Requests through the vendor's gateway, which shows the certificate that is stored for the host.
import { hostOf } from "./csds.js";
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { decoded, encoded } from "./mtls.js";
import { authorization, DEFAULT_SECRET } from "./oauth2.js";
import { accountId, send, serviceUrl } from "./platform.js";

const COMPONENT = "LP-MTLS";
const CODES = ErrorCodes.Mtls;
const PATIENCE_MS = 25_000;

export const lpMtlsClient = {
  get: (url, headers, body, options) => forward("GET", url, headers, body, options),
  post: (url, headers, body, options) => forward("POST", url, headers, body, options),
};

async function forward(method, address, headers, body, options = {}) {
  if (!URL.canParse(String(address))) {
    throw failure(CODES.BadRequest, `Cannot reach "${address}": it is no address`);
  }
  const sent = encoded(body, options, COMPONENT);
  if (method === "GET" && sent !== undefined) {
    throw failure(CODES.BadRequest, "Cannot send a body with GET: fetch does not, use post");
  }
  const { timeout = PATIENCE_MS } = options;
  try {
    const gateway = await hostOf("mtlsGateway");
    const own = await authorization(DEFAULT_SECRET, COMPONENT, CODES.Creds);
    const response = await send(serviceUrl(gateway, `/mtls/account/${accountId()}`), {
      method,
      headers: forwarded(headers, address, own, options),
      body: sent,
      signal: AbortSignal.timeout(timeout),
    });
    const text = await response.text();
    refuseFailureOfGateway(response, text);
    return {
      statusCode: response.status,
      headers: Object.fromEntries(response.headers),
      body: decoded(text, options),
    };
  } catch (error) {
    if (error instanceof ToolBeltError) throw error;
    if (error.name === "TimeoutError") {
      throw failure(CODES.Timeout, `The gateway did not answer within ${timeout} ms`);
    }
    throw failure(CODES.General, `Cannot reach the gateway: ${error.message}`, { cause: error });
  }
}

// Source: the vendor's public client for the names of the headers. The function's own Authorization
// is for the host behind, the gateway needs one for itself.
function forwarded(given, address, own, { json }) {
  const headers = new Headers(given);
  const theirs = headers.get("Authorization");
  if (theirs !== null) headers.set("LP-authorization-override", theirs);
  headers.set("Authorization", own);
  headers.set("LP-forward-url", String(address));
  headers.set("LP-service-name", "FAAS");
  headers.set("LP-stop-if-certificate-not-found", "true");
  if (json && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");
  return headers;
}

function refuseFailureOfGateway({ status, headers }, originalBody) {
  const remote = headers.get("lp-message-from-transport");
  if (remote !== null) throw failure(CODES.Remote, remote, { statusCode: status, originalBody });
  const challenge = headers.get("www-authenticate");
  if (challenge !== null) {
    const message = `The gateway does not take the credentials: ${challenge}`;
    throw failure(CODES.BadRequest, message, { statusCode: status, originalBody });
  }
  if (status === 400) {
    const message = "The gateway has no certificate for this address: map one to its host first";
    throw failure(CODES.Missing, message, { statusCode: status, originalBody });
  }
}

function failure(code, message, details) {
  return new ToolBeltError(COMPONENT, code, message, details);
}
