// Calls of the vendor's own services: (service, path, options), found by discovery and signed with
// what a secret of the account holds.
import { hostOf } from "./csds.js";
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { addQuery, httpClient, pairs } from "./http.js";
import { sign } from "./oauth1.js";
import { authorization, DEFAULT_SECRET } from "./oauth2.js";
import { send, serviceUrl } from "./platform.js";
import { secretClientV1 } from "./secrets.js";

const COMPONENT = "LpClient";
const DEFAULT_SECRET_V1 = "lp-faas-default-app-key";
const CREDENTIALS_V1 = ["consumerKey", "consumerSecret", "token", "tokenSecret"];

// --- first generation: options and answers of the HTTP client -----------------------

export async function lpClientV1(service, path, options = {}) {
  const { appKeySecretName = DEFAULT_SECRET_V1, method = "GET", ...rest } = options;
  const url = new URL(serviceUrl(await hostOf(service), path));
  const { qs, form, useQuerystring } = rest;
  if (qs) addQuery(url, qs, useQuerystring);
  const signed = typeof form === "object" ? pairs(form, useQuerystring).join("&") : form ?? "";
  const header = await sign(
    method.toUpperCase(),
    url,
    signed,
    await credentialsV1(appKeySecretName),
  );
  return httpClient({
    ...rest,
    qs: undefined, // is in the address
    baseUrl: undefined,
    uri: url,
    method,
    headers: { ...rest.headers, Authorization: header },
  });
}

async function credentialsV1(name) {
  let value;
  try {
    ({ value } = await secretClientV1.readSecret(name));
    if (typeof value === "string") value = JSON.parse(value);
  } catch (error) {
    const message = `Cannot read the credentials in the secret "${name}": ${error.message}`;
    throw new ToolBeltError(COMPONENT, ErrorCodes.LpClient.Creds.Failure, message, {
      cause: error,
    });
  }
  if (CREDENTIALS_V1.every((field) => typeof value?.[field] === "string")) return value;
  throw new ToolBeltError(
    COMPONENT,
    ErrorCodes.LpClient.Creds.Format,
    `Cannot use the credentials in the secret "${name}": they are no JSON object with the texts ` +
      CREDENTIALS_V1.join(", "),
  );
}

// --- second generation: options and answers of fetch ---------------------------------

export async function lpClient(service, path, options = {}) {
  const { appKeySecretName = DEFAULT_SECRET, ...rest } = options;
  const url = serviceUrl(await hostOf(service), path);
  const ask = async (fresh) => {
    const headers = new Headers(rest.headers);
    const codes = ErrorCodes.LpClient.Creds;
    headers.set("Authorization", await authorization(appKeySecretName, COMPONENT, codes, fresh));
    return send(url, { ...rest, headers });
  };
  const response = await ask(false);
  if (response.status !== 401) return response;
  // The token or the secret behind it may be another one by now.
  await response.body?.cancel();
  return ask(true);
}

// --- what the utilities ask -----------------------------------------------------------

// (service, path, {method, json}) → {status, text}, over either client.

// A function itself has 30 s; what comes later than this it could not use any more.
const PATIENCE_MS = 25_000;

export async function askV1(service, path, { method, json }) {
  const { statusCode, body } = await lpClientV1(service, path, {
    method,
    timeout: PATIENCE_MS,
    body: JSON.stringify(json),
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    simple: false,
    resolveWithFullResponse: true,
  });
  return { status: statusCode, text: body };
}

export async function ask(service, path, { method, json }) {
  const response = await lpClient(service, path, {
    method,
    signal: AbortSignal.timeout(PATIENCE_MS),
    body: JSON.stringify(json),
    headers: { "Content-Type": "application/json" },
  });
  return { status: response.status, text: await response.text() };
}
