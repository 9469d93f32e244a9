// Invokes other functions of the account. The worker runs them; no request leaves the sandbox and
// no credentials are needed, so those error codes of the vendor's do not come up.
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { ErrorStrategy } from "./names.js";
import { call, pause, within } from "./platform.js";

const COMPONENT = "Orchestrator";
const CODES = ErrorCodes.OrchestratorFN;
const MOST_MS = 25_000;
const ATTEMPTS = 3;
const PAUSE_MS = 100;
const STATUSES_TO_RETRY = new Set([429, 500, 502, 504]);
const ERRORS_TO_RETRY = new Set(["ENOTFOUND", "ECONNRESET", "ETIMEDOUT", "ESOCKETTIMEDOUT"]);

function usuallyRetries(status, error) {
  if (status !== undefined) return STATUSES_TO_RETRY.has(status);
  return ERRORS_TO_RETRY.has(error?.code);
}

// `asText` is the second generation's way: it gives bodies as text unless `json` is set.
export class OrchestratorClient {
  #asText;

  constructor(asText) {
    this.#asText = asText;
  }

  async invoke(invocations, deadline = MOST_MS, options = {}) {
    if (!Array.isArray(invocations)) {
      throw failure(CODES.General, "Cannot invoke functions: they are given as a list");
    }
    if (invocations.length === 0) return [];
    const most = limited(deadline, MOST_MS, "deadline");
    const each = limited(
      options.timeout ?? Infinity,
      Math.floor(most / invocations.length),
      "timeout of an invocation",
      options.timeout !== undefined,
    );
    const { errorStrategy = ErrorStrategy.EXIT_ON_ERROR, invokeParallel = false, json } = options;
    const run = (invocation) =>
      this.#invoke(invocation, each, errorStrategy, this.#asText && !json);
    const done = invokeParallel ? Promise.all(invocations.map(run)) : oneByOne(invocations, run);
    return await within(
      most,
      done,
      () => failure(CODES.Timeout, `The functions did not answer within ${most} ms`),
    );
  }

  async #invoke(invocation, timeoutMs, errorStrategy, asText) {
    const { uuid, retryFunction = usuallyRetries } = invocation;
    const attempts = invocation.retries || ATTEMPTS;
    for (let attempt = 1;; attempt++) {
      try {
        return shown(await once(invocation, timeoutMs), asText);
      } catch (error) {
        if (attempt < attempts && retryFunction(error.statusCode, error)) {
          await pause(attempt * PAUSE_MS);
          continue;
        }
        if (errorStrategy !== ErrorStrategy.CONTINUE_ON_ERROR) throw error;
        const { statusCode, headers, originalBody: body, code, message } = error;
        const failed = { uuid, statusCode, headers, body, error: { code, message } };
        return shown(failed, asText);
      }
    }
  }
}

async function once({ uuid, payload = {}, headers = {} }, timeoutMs) {
  // As events carry them.
  const list = Array.isArray(headers)
    ? headers
    : Object.entries(headers).map(([key, value]) => ({ key, value }));
  const values = { uuid, payload, headers: list, timeoutMs };
  const answer = await call("orchestrator.invoke", values, COMPONENT, CODES.General);
  const { statusCode, body } = answer;
  if (Math.floor(statusCode / 100) === 2) {
    return { uuid, body, headers: answer.headers, statusCode };
  }
  const message = `The function ${uuid} answered with the status ${statusCode}`;
  throw failure(CODES.Invocation.StatusError, message, {
    statusCode,
    headers: answer.headers,
    originalBody: body,
  });
}

async function oneByOne(invocations, run) {
  const answers = [];
  for (const invocation of invocations) answers.push(await run(invocation));
  return answers;
}

function shown(answer, asText) {
  const { body } = answer;
  if (!asText || body === undefined || typeof body === "string") return answer;
  return { ...answer, body: JSON.stringify(body) };
}

function limited(wanted, most, name, isSaid = true) {
  if (wanted > 0 && wanted <= most) return wanted;
  if (isSaid) console.warn(`The ${name} of ${wanted} ms is not possible, it is ${most} ms`);
  return most;
}

function failure(code, message, details) {
  return new ToolBeltError(COMPONENT, code, message, details);
}
