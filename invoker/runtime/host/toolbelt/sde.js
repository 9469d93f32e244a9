// Engagement attributes ("SDEs"): what is known of a visitor.
import { ErrorCodes, ToolBeltError } from "./errors.js";
import { LpServices } from "./names.js";
import { accountId } from "./platform.js";

const COMPONENT = "SDE-Util";
const CODES = ErrorCodes.SDEsUtil;

export class SDEUtil {
  #ask;

  constructor(ask) {
    this.#ask = ask;
  }

  async addSDEs(sdes, visitorId, sessionId) {
    if (!(sdes?.length > 0)) throw failure(CODES.General, "add attributes", "none are given");
    if (!visitorId || !sessionId) {
      throw failure(CODES.General, "add attributes", "visitorId and sessionId say whose they are");
    }
    const [visitor, session] = [visitorId, sessionId].map(encodeURIComponent);
    const path = `/api/account/${accountId()}/monitoring/visitors/${visitor}` +
      `/visits/current/events?v=1&sid=${session}`;
    let answer;
    try {
      answer = await this.#ask(LpServices.SMT, path, { method: "PUT", json: sdes });
    } catch (error) {
      if (error instanceof ToolBeltError) throw error;
      throw failure(CODES.General, "add attributes", error.message, { cause: error });
    }
    const { status, text } = answer;
    if (Math.floor(status / 100) === 2) return;
    throw failure(
      CODES.UnexpectedResponse,
      "add attributes",
      `the answer has the status ${status}: ${text}`,
      { statusCode: status, originalBody: text },
    );
  }

  // Both lists are always there, in both generations, because functions go through them unasked.
  getSDEsFromConv(conversation) {
    const record = conversation?.conversationHistoryRecords?.[0];
    if (!record) {
      throw failure(CODES.General, "read attributes", "the conversation has no history record");
    }
    return { sdes: oldestFirst(record.sdes), unAuthSdes: oldestFirst(record.unAuthSdes) };
  }
}

function oldestFirst(attributes) {
  const events = Array.isArray(attributes?.events) ? attributes.events : [];
  return {
    events: events.toSorted(({ serverTimeStamp: one }, { serverTimeStamp: other }) =>
      Number(one) - Number(other)
    ),
  };
}

function failure(code, what, why, details) {
  return new ToolBeltError(COMPONENT, code, `Cannot ${what}: ${why}`, details);
}
