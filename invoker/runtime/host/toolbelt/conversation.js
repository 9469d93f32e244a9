// Conversations of the account, from the vendor's history.
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { LpServices } from "./names.js";
import { accountId } from "./platform.js";

const COMPONENT = "Conversation-Util";
const CODES = ErrorCodes.ConversationUtil;
const TIMED_OUT = new Set([408, 504]);

// `ask` is a generation's way of asking, `query` what else it says in the address.
export class ConversationUtil {
  #ask;
  #query;

  constructor(ask, query) {
    this.#ask = ask;
    this.#query = query;
  }

  async getConversationById(conversationId, contentToRetrieve) {
    if (!conversationId) throw refusal("its id is missing");
    const json = { conversationId };
    if (contentToRetrieve?.length > 0) json.contentToRetrieve = contentToRetrieve;
    const path = `/messaging_history/api/account/${accountId()}/conversations/conversation/search` +
      `?v=2${this.#query}`;
    let answer;
    try {
      answer = await this.#ask(LpServices.MSG_HIST, path, { method: "POST", json });
    } catch (error) {
      if (error instanceof ToolBeltError) throw error;
      throw failure(
        conversationId,
        isTimeout(error) ? CODES.Timeout : CODES.General,
        error.message,
        {
          cause: error,
        },
      );
    }
    return found(conversationId, answer);
  }

  // One entry for each message and word in it: by word, then in the order of the messages.
  scanConversationForKeywords(conversation, keywords) {
    const messages = conversation?.conversationHistoryRecords?.[0]?.messageRecords;
    if (!Array.isArray(messages)) throw refusal("it has no message records");
    if (!(keywords?.length > 0)) throw refusal("there are no keywords to look for");
    const texts = messages.map(({ type, messageData, timeL, sentBy }) => ({
      message: textOf(type, messageData),
      sentTimestamp: timeL,
      sentBy,
    }));
    // Words, not patterns: "c++" is a keyword like any other.
    return Array.from(keywords, String).flatMap((word) =>
      texts.filter(({ message }) => message.toLowerCase().includes(word.toLowerCase()))
        .map((text) => ({ ...text, tag: `keywordRef:${word}` }))
    );
  }
}

function found(id, { status, text }) {
  if (TIMED_OUT.has(status)) {
    throw failure(id, CODES.Timeout, `the answer has the status ${status}`, { statusCode: status });
  }
  let conversation = null;
  try {
    conversation = JSON.parse(text);
  } catch {
    // said below
  }
  if (status !== 200 || !Array.isArray(conversation?.conversationHistoryRecords)) {
    throw failure(
      id,
      CODES.UnexpectedResponse,
      `the answer has the status ${status} and no conversation`,
      { statusCode: status, originalBody: text },
    );
  }
  if (conversation.conversationHistoryRecords.length === 0) {
    throw failure(id, CODES.NotFound, "there is none of this id");
  }
  return conversation;
}

function textOf(type, data) {
  const text = type === "TEXT_PLAIN"
    ? data?.msg?.text
    : type === "HOSTED_FILE"
    ? data?.file?.caption
    : "";
  return typeof text === "string" ? text : "";
}

function isTimeout({ name, error }) {
  return name === "TimeoutError" || error?.code === "ESOCKETTIMEDOUT";
}

function refusal(why) {
  return new ToolBeltError(COMPONENT, CODES.General, `Cannot read the conversation: ${why}`);
}

function failure(id, code, why, details) {
  return new ToolBeltError(
    COMPONENT,
    code,
    `Cannot fetch the conversation "${id}": ${why}`,
    details,
  );
}
