// Requests whose sender shows a certificate: by node:https, because fetch cannot.
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { forbidden, limited, within } from "./platform.js";

const COMPONENT = "MTLS";
const CODES = ErrorCodes.Mtls;
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[\r\n]+[A-Za-z0-9+/=:,\s-]*?[\r\n]-----END \1-----/;
const JSON_TYPE = "application/json";
// Deno's for a name or an address that may not be connected to.
const NOT_ALLOWED = new Set(["EPERM", "EACCES"]);
// A function itself has 30 s; what comes later than this it could not use any more.
const PATIENCE_MS = 25_000;

function checkedPem(text, label, code, what) {
  const found = PEM.exec(String(text ?? ""));
  if (found?.[1].endsWith(label)) return String(text);
  throw failure(code, `Cannot use the ${what}: it is no PEM text with "BEGIN ${label}"`);
}

// The body for a request and its type, under the options of a call.
export function encoded(body, { json }, component) {
  if (body === undefined || body === null) return undefined;
  if (json) return JSON.stringify(body);
  if (typeof body === "string" || ArrayBuffer.isView(body)) return body;
  if (body instanceof URLSearchParams) return String(body);
  throw new ToolBeltError(
    component,
    CODES.BadRequest,
    "Cannot send the body: it is no text and no bytes, use the option json or JSON.stringify",
  );
}

// What was received, parsed when that was asked for and is possible.
export function decoded(text, { json }) {
  if (!json) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export class MTLSClient {
  #identity;

  constructor(tls) {
    if (!tls) throw failure(CODES.Missing, "Cannot make an MTLS client: { cert, key } is missing");
    this.#identity = {
      cert: checkedPem(tls.cert, "CERTIFICATE", CODES.Invalid.Cert, "certificate"),
      key: checkedPem(tls.key, "PRIVATE KEY", CODES.Invalid.Key, "key"),
    };
    if (tls.ca) {
      this.#identity.ca = checkedPem(tls.ca, "CERTIFICATE", CODES.Invalid.Cert, "CA certificate");
    }
  }

  get(url, headers, body, options) {
    return this.#send("GET", url, headers, body, options);
  }

  post(url, headers, body, options) {
    return this.#send("POST", url, headers, body, options);
  }

  put(url, headers, body, options) {
    return this.#send("PUT", url, headers, body, options);
  }

  patch(url, headers, body, options) {
    return this.#send("PATCH", url, headers, body, options);
  }

  delete(url, headers, body, options) {
    return this.#send("DELETE", url, headers, body, options);
  }

  head(url, headers, options) {
    return this.#send("HEAD", url, headers, undefined, options);
  }

  options(url, headers, options) {
    return this.#send("OPTIONS", url, headers, undefined, options);
  }

  // Certificates of servers are verified unless `allowSelfSigned` says otherwise, which is what the
  // vendor's manual promises; its local copy takes any.
  async #send(method, address, headers = {}, body = undefined, options = {}) {
    const url = URL.parse(String(address));
    if (url?.protocol !== "https:") {
      throw failure(CODES.BadRequest, `Cannot reach "${address}": it is no address of https://`);
    }
    const sent = encoded(body, options, COMPONENT);
    const own = options.json ? { "Content-Type": JSON_TYPE } : {};
    // Node itself says it for some methods only.
    if (sent !== undefined) own["Content-Length"] = Buffer.byteLength(sent);
    const refusal = await limited();
    if (refusal) return described(refusal, options);
    const settings = {
      ...this.#identity,
      method,
      headers: { ...headers, ...own },
      rejectUnauthorized: !options.allowSelfSigned,
      agent: false, // a connection that is kept would hold on to who it was opened as
    };
    const ms = options.timeout ?? PATIENCE_MS;
    const exchange = begin(url, settings, sent);
    try {
      const late = () => failure(CODES.Timeout, `${url.host} did not answer within ${ms} ms`);
      const { body: text, ...answer } = await within(ms, exchange.answer, late);
      return { ...answer, body: decoded(text, options) };
    } catch (error) {
      if (error instanceof ToolBeltError) throw error;
      if (NOT_ALLOWED.has(error.code)) return described(forbidden(), options);
      throw failure(CODES.General, `Cannot reach ${url.host}: ${error.message}`, { cause: error });
    } finally {
      exchange.end();
    }
  }
}

// {answer, end}: a promise of {statusCode, headers, body}, and how to give up on it.
function begin(url, settings, body) {
  let request;
  const answer = new Promise((resolve, reject) => {
    request = require("node:https").request(url, settings, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode, headers } = response;
        resolve({ statusCode, headers, body: Buffer.concat(chunks).toString() });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
  return { answer, end: () => request?.destroy() };
}

async function described(response, options) {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: decoded(await response.text(), options),
  };
}

function failure(code, message, details) {
  return new ToolBeltError(COMPONENT, code, message, details);
}
