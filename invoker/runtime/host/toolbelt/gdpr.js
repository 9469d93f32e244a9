// Replaces the files of a conversation in the vendor's file storage, which is OpenStack's Swift.
import { hostOf } from "./csds.js";
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { send, serviceUrl } from "./platform.js";

const COMPONENT = "GDPR-Util";
const CODES = ErrorCodes.GDPRUtil;
// One black pixel.
const BLACK = Uint8Array.from(
  atob(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==",
  ),
  (character) => character.charCodeAt(0),
);

export const gdprUtil = {
  async replaceConversationFiles(
    conversation,
    credentials,
    shouldReplace = () => true,
    replacement = { body: BLACK, contentType: "image/png" },
  ) {
    const records = conversation?.conversationHistoryRecords;
    if (!Array.isArray(records)) throw failure(CODES.General, "no conversation is given");
    const messages = records[0]?.messageRecords;
    if (records.length > 0 && !Array.isArray(messages)) {
      throw failure(CODES.General, "the conversation has no message records");
    }
    const paths = (messages ?? [])
      .filter(({ type, messageData }) => type === "HOSTED_FILE" && messageData?.file?.relativePath)
      .map(({ messageData }) => messageData.file.relativePath)
      .filter((path) => shouldReplace(path));
    if (paths.length === 0) return paths;
    const host = await hostOf("swift");
    const token = await signIn(host, credentials);
    await Promise.all(paths.map((path) => replace(host, path, token, replacement)));
    return paths;
  },
};

async function signIn(host, { username, password } = {}) {
  const response = await reach(CODES.AuthFailure, "cannot sign in to the file storage", host, {
    path: "/auth/v1.0",
    headers: { "X-Auth-User": username, "X-Auth-Key": password },
  });
  const token = response.headers.get("X-Auth-Token");
  if (token) return token;
  throw failure(CODES.AuthFailure, "the file storage gave no token");
}

async function replace(host, path, token, { body, contentType }) {
  const what = `cannot replace "${path}"`;
  await reach(CODES.ReplaceFileFailed, what, host, {
    path,
    method: "PUT",
    headers: { "Content-Type": contentType, "X-Auth-Token": token },
    body,
  });
}

// A response that is a success; its body is read to the end, so that the connection serves again.
async function reach(code, what, host, { path, ...options }) {
  let response, text;
  try {
    response = await send(serviceUrl(host, path), options);
    text = await response.text();
  } catch (error) {
    throw failure(code, `${what}: ${error.message}`, { cause: error });
  }
  if (response.ok) return response;
  throw failure(code, `${what}: the answer has the status ${response.status}: ${text}`, {
    statusCode: response.status,
    originalBody: text,
  });
}

function failure(code, why, details) {
  return new ToolBeltError(COMPONENT, code, `Cannot replace files: ${why}`, details);
}
