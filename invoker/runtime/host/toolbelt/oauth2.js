// Access tokens of the second generation: client credentials that Sentinel changes into a token.
import { hostOf } from "./csds.js";
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { accountId, send, serviceUrl } from "./platform.js";
import { secretClient } from "./secrets.js";

const COMPONENT = "Oauth2Client";
export const DEFAULT_SECRET = "LIVEPERSON_DEFAULT_APP_KEY";
// A token that ends while it is on its way is as good as none.
const MARGIN_MS = 60_000;

// Of this sandbox: the name of a secret → {authorization, until}.
const tokens = new Map();

// What goes into the header. `fresh` asks for all of it again; `component` and `codes` are whose
// errors it is when the credentials cannot be had.
export async function authorization(secretName, component, codes, fresh = false) {
  const known = tokens.get(secretName);
  if (!fresh && known?.until > Date.now()) return known.authorization;
  const token = await tokenFor(await credentials(secretName, component, codes, fresh));
  const made = {
    authorization: `${token.token_type} ${token.access_token}`,
    until: Date.now() + Number.parseInt(token.expires_in) * 1000 - MARGIN_MS,
  };
  tokens.set(secretName, made);
  return made.authorization;
}

async function credentials(name, component, codes, fresh) {
  let text;
  try {
    ({ value: text } = await secretClient().readSecret(name, { useCache: !fresh }));
  } catch (error) {
    // As the first generation does, and not with the secret's own code, which is in the cause:
    // the function asked for something else than a secret.
    const message = `Cannot read the credentials in the secret "${name}": ${error.message}`;
    throw new ToolBeltError(component, codes.Failure, message, { cause: error });
  }
  let found = null;
  try {
    found = JSON.parse(text);
  } catch {
    // said below
  }
  if (typeof found?.client_id === "string" && typeof found.client_secret === "string") {
    return found;
  }
  throw new ToolBeltError(
    component,
    codes.Format,
    `Cannot use the credentials in the secret "${name}": they are no JSON object with the texts ` +
      "client_id and client_secret",
  );
}

async function tokenFor({ client_id, client_secret }) {
  let status, answer;
  try {
    const path = `/sentinel/api/v2/account/${accountId()}/app/token?v=2.0`;
    const response = await send(serviceUrl(await hostOf("sentinel"), path), {
      method: "POST",
      body: new URLSearchParams({ client_id, client_secret, grant_type: "client_credentials" }),
    });
    status = response.status;
    answer = await response.text();
  } catch (error) {
    if (error instanceof ToolBeltError) throw error;
    const message = `Cannot get an access token: ${error.message}`;
    throw new ToolBeltError(COMPONENT, ErrorCodes.OAuth2.General, message, { cause: error });
  }
  const token = tokenIn(answer);
  if (token !== null) return token;
  throw new ToolBeltError(
    COMPONENT,
    ErrorCodes.OAuth2.UnexpectedResponse,
    `Cannot get an access token: the answer has the status ${status} and no token`,
    { statusCode: status, originalBody: answer },
  );
}

// The vendor's own client takes texts alone.
function tokenIn(answer) {
  try {
    const token = JSON.parse(answer);
    const fields = [token.access_token, token.token_type, token.expires_in];
    return fields.every((field) => typeof field === "string") ? token : null;
  } catch {
    return null;
  }
}
