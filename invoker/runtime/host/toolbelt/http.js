// The first generation's HTTP client: functions know it as the npm package request-promise, and it
// does what that does in the ways that its documentation names, over fetch.
//
// Different on purpose: certificates are always verified, `proxy`, `agent` and `jar` mean nothing,
// and a host that is not in the account's allow-list answers 403, as at the vendor. What fetch does
// not do, this does not either: a GET has no body.
import { accountId, forbidden, functionId, send } from "./platform.js";

const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";
const MOST_REDIRECTS = 10;
const KEPT_ON_REDIRECT = new Set([401, 307]);
const NEVER_REDIRECTED = new Set(["PATCH", "PUT", "POST", "DELETE"]);

// --- errors --------------------------------------------------------------------

// As request-promise describes them: `error` and `cause` are what went wrong, or the body.
export class StatusCodeError extends Error {
  constructor(statusCode, body, options, response) {
    super(`${statusCode} - ${JSON.stringify(body)}`);
    Object.assign(this, { statusCode, error: body, options, response });
  }
}
export class RequestError extends Error {
  constructor(cause, options, response) {
    super(String(cause));
    Object.assign(this, { cause, error: cause, options, response });
  }
}
export class TransformError extends Error {
  constructor(cause, options, response) {
    super(String(cause));
    Object.assign(this, { cause, error: cause, options, response });
  }
}
// Said once more, because bundling shortens the names of classes.
for (const [name, type] of Object.entries({ StatusCodeError, RequestError, TransformError })) {
  Object.defineProperty(type.prototype, "name", { value: name, writable: true });
}

// fetch tells in words what Node has codes for, by which functions decide whether to try again.
const CODES = [
  [/dns error|lookup/, "ENOTFOUND", "getaddrinfo ENOTFOUND"],
  [/refused/, "ECONNREFUSED", "connect ECONNREFUSED"],
  [/timed out/, "ETIMEDOUT", "connect ETIMEDOUT"],
  [/reset|closed|unexpected eof|before message completed/, "ECONNRESET", "socket hang up"],
];

export function asNodeError(error, url) {
  if (error.name === "TimeoutError") {
    return Object.assign(new Error("ESOCKETTIMEDOUT"), {
      code: "ESOCKETTIMEDOUT",
      connect: false,
      cause: error,
    });
  }
  const said = `${error.message} ${error.cause?.message ?? ""}`.toLowerCase();
  const known = CODES.find(([words]) => words.test(said));
  if (!known || error.name !== "TypeError") return error;
  const [, code, message] = known;
  return Object.assign(new Error(`${message} ${url.host}`), {
    code,
    hostname: url.hostname,
    cause: error,
  });
}

// --- what is sent ----------------------------------------------------------------

// RFC 3986, which leaves fewer characters alone than the language does.
function percent(text) {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

// ["a[b][0]=c", …] of nested values, in the way of the npm package qs; `repeats` names a list's
// items alike.
export function pairs(value, repeats = false, name = "") {
  if (value === undefined || typeof value === "function") return [];
  if (value instanceof Date) value = value.toISOString();
  if (value === null || typeof value !== "object") return [`${name}=${percent(value ?? "")}`];
  return Object.entries(value).flatMap(([key, item]) => {
    const inner = name === "" ? percent(key) : percent(`[${key}]`);
    return pairs(item, repeats, repeats && Array.isArray(value) ? name : name + inner);
  });
}

// Takes the place of what the address says by the same names.
export function addQuery(url, values, repeats) {
  const own = typeof values === "string" ? values.split("&") : pairs(values, repeats);
  const named = new Set(own.map((pair) => nameOf(pair)));
  const others = url.search.slice(1).split("&")
    .filter((pair) => pair !== "" && !named.has(nameOf(pair)));
  url.search = [...others, ...own].join("&");
}

function nameOf(pair) {
  return decoded(pair.split("=", 1)[0].replaceAll("+", " "));
}

// As it is when it says nothing: "100%" is a name too.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function urlOf(options) {
  let given = options.uri ?? options.url;
  if (given === undefined || given === null) throw new Error("options.uri is a required argument");
  given = String(given.href ?? given);
  if (options.baseUrl) {
    const base = String(options.baseUrl).replace(/\/$/, "");
    given = given === "" ? base : `${base}/${given.replace(/^\//, "")}`;
  }
  const url = URL.parse(given);
  if (url === null) throw new Error(`Invalid URI "${given}"`);
  if (options.qs) addQuery(url, options.qs, options.useQuerystring);
  return url;
}

function headersOf(options, url) {
  const headers = new Headers();
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value === undefined || value === null) continue;
    for (const one of [value].flat()) headers.append(name, one);
  }
  setDefault(headers, "LP-URL", accountId());
  setDefault(headers, "User-Agent", `LP-Lambda-${functionId()}`);
  if (options.json) setDefault(headers, "Accept", JSON_TYPE);
  const authorization = authorizationOf(options.auth, url);
  if (authorization) headers.set("Authorization", authorization);
  return headers;
}

function setDefault(headers, name, value) {
  if (!headers.has(name)) headers.set(name, value);
}

function authorizationOf(auth, url) {
  const bearer = typeof auth?.bearer === "function" ? auth.bearer() : auth?.bearer;
  if (bearer !== undefined) return `Bearer ${bearer}`;
  const user = auth?.user ?? auth?.username ?? decoded(url.username);
  const password = auth?.pass ?? auth?.password ?? decoded(url.password);
  url.username = url.password = "";
  if (!user && !password) return null;
  const bytes = new TextEncoder().encode(`${user}:${password ?? ""}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

// Sets the type of what it gives, unless the caller has.
function bodyOf(options, headers) {
  const { form, formData, json } = options;
  if (form !== undefined) {
    if (!headers.get("Content-Type")?.startsWith(FORM)) headers.set("Content-Type", FORM);
    return typeof form === "string" ? form : pairs(form, options.useQuerystring).join("&");
  }
  if (formData !== undefined) {
    headers.delete("Content-Type"); // fetch knows the boundary
    return multipart(formData);
  }
  const body = json && typeof json === "object" ? json : options.body;
  if (body === undefined || body === null) return undefined;
  if (json) {
    const isForm = headers.get("Content-Type")?.startsWith(FORM);
    setDefault(headers, "Content-Type", JSON_TYPE);
    return isForm && typeof body === "string" ? body : JSON.stringify(body);
  }
  if (typeof body === "string" || ArrayBuffer.isView(body)) return body;
  if (Array.isArray(body)) return new Blob(body);
  throw new Error("Argument error, options.body.");
}

function multipart(fields) {
  const made = new FormData();
  for (const [name, given] of Object.entries(fields)) {
    for (const one of [given].flat()) {
      const { value, options } = one?.options ? one : { value: one, options: {} };
      const { filename, contentType: type } = typeof options === "string"
        ? { filename: options }
        : options;
      if (typeof value === "string" && !filename && !type) made.append(name, value);
      else made.append(name, new Blob([value], { type }), filename ?? "file");
    }
  }
  return made;
}

// --- what comes back ---------------------------------------------------------------

async function reach(url, options) {
  try {
    return await send(url.href, options);
  } catch (error) {
    if (error.name !== "NotCapable") throw asNodeError(error, url);
    return forbidden();
  }
}

// Follows redirects itself, because fetch would also follow those of a POST.
async function exchange(options, sent) {
  const most = options.maxRedirects ?? MOST_REDIRECTS;
  for (let redirects = 0;; redirects++) {
    const response = await reach(sent.url, sent);
    const location = response.headers.get("Location");
    const isRedirect = location !== null && Math.floor(response.status / 100) === 3;
    if (!isRedirect || !follows(options, sent.method)) return response;
    await response.body?.cancel();
    if (redirects >= most) {
      throw new Error(
        `Exceeded maxRedirects. Probably stuck in a redirect loop ${sent.url.href}`,
      );
    }
    redirect(options, sent, response.status, new URL(location, sent.url));
  }
}

function follows({ followRedirect = true, followAllRedirects }, method) {
  return followAllRedirects || followRedirect && !NEVER_REDIRECTED.has(method);
}

function redirect(options, sent, status, url) {
  const { headers } = sent;
  if (!KEPT_ON_REDIRECT.has(status)) {
    if (sent.method !== "HEAD" && !options.followOriginalHttpMethod) sent.method = "GET";
    sent.body = undefined;
    headers.delete("Content-Type");
  }
  if (url.host !== sent.url.host) {
    headers.delete("Authorization");
    headers.delete("Cookie");
  }
  sent.url = url;
}

// As Node describes a response, and request's own `body` and `request`.
async function describe(response, options, sent) {
  const headers = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  const described = {
    statusCode: response.status,
    statusMessage: response.statusText,
    headers,
    body: await contentOf(response, options),
    request: {
      uri: sent.url,
      href: sent.url.href,
      method: sent.method,
      headers: Object.fromEntries(sent.headers),
    },
  };
  return { ...described, toJSON: () => described };
}

async function contentOf(response, { encoding, json }) {
  let content;
  if (encoding === undefined || /^utf-?8$/i.test(encoding)) content = await response.text();
  else {
    content = Buffer.from(await response.arrayBuffer());
    if (encoding !== null) content = content.toString(encoding);
  }
  if (!json) return content;
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}

// --- the client ----------------------------------------------------------------------

function optionsOf(first, second) {
  const options = typeof first === "string" || first instanceof URL
    ? { ...second, uri: first }
    : { ...second, ...first };
  return { simple: true, resolveWithFullResponse: false, ...options };
}

async function request(options) {
  let response;
  try {
    const url = urlOf(options);
    const headers = headersOf(options, url);
    const sent = {
      url,
      headers,
      method: String(options.method ?? "GET").toUpperCase(),
      body: bodyOf(options, headers),
      redirect: "manual",
      signal: options.timeout > 0 ? AbortSignal.timeout(options.timeout) : undefined,
    };
    try {
      response = await describe(await exchange(options, sent), options, sent);
    } catch (error) {
      throw asNodeError(error, sent.url);
    }
  } catch (error) {
    throw new RequestError(error, options);
  }
  const isFailure = options.simple && Math.floor(response.statusCode / 100) !== 2;
  if (isFailure && (!options.transform || options.transform2xxOnly)) {
    throw new StatusCodeError(response.statusCode, response.body, options, response);
  }
  const found = await transformed(response, options);
  if (isFailure) throw new StatusCodeError(response.statusCode, found, options, response);
  return found;
}

async function transformed(response, options) {
  const { transform, transform2xxOnly, resolveWithFullResponse } = options;
  const isSuccess = Math.floor(response.statusCode / 100) === 2;
  if (typeof transform === "function" && (isSuccess || !transform2xxOnly)) {
    try {
      return await transform(response.body, response, resolveWithFullResponse);
    } catch (error) {
      throw new TransformError(error, options, response);
    }
  }
  if (resolveWithFullResponse) return response;
  return response.request.method === "HEAD" ? response.headers : response.body;
}

export function httpClient(first, second) {
  return request(optionsOf(first, second));
}
for (const method of ["get", "head", "options", "post", "put", "patch", "delete"]) {
  httpClient[method] = (first, second) =>
    request({ ...optionsOf(first, second), method: method.toUpperCase() });
}
httpClient.del = httpClient.delete;
