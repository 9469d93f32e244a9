// Runs when the consumer marks the conversation urgent or takes that back, and when the agent sets
// the time to respond.

// What the consumer reads, by what happened.
const MESSAGES = {
  CONSUMER_ASKED_URGENT_RESPONSE_TIME: "We have marked your conversation as urgent.",
  CONSUMER_CANCELED_URGENT_RESPONSE_TIME: "Your conversation is no longer marked as urgent.",
  AGENT_UPDATED_RESPONSE_TIME: "Your agent has changed the time by which you will get an answer.",
};

// Fill these in to use them. While they are empty or 0, no conversation is moved or closed.
const URGENT_SKILL_ID = ""; // urgent conversations are transferred to this skill
const CLOSE_WHEN_LATER_THAN_DAYS = 0; // an answer due after so many days does not come here …
const CLOSING_MESSAGE = "This will take us a while, so we will answer you by e-mail."; // … but so

const DAY_MS = 24 * 60 * 60 * 1000;

function lambda(input, callback) {
  const { general, ttr } = input.payload;
  const becameUrgent = ttr.newTtr.ttrType === "URGENT" && ttr.oldTtr.ttrType !== "URGENT";

  // `manualETTR` is the moment the agent has set, as text in milliseconds, or null.
  const daysUntilAnswer = (Number(general.manualETTR) - Date.now()) / DAY_MS;
  const tooLate = CLOSE_WHEN_LATER_THAN_DAYS > 0 && daysUntilAnswer > CLOSE_WHEN_LATER_THAN_DAYS;

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const text = tooLate ? CLOSING_MESSAGE : MESSAGES[general.cbotEventType];
  const commands = [{ type: "systemMessage", text }];

  if (URGENT_SKILL_ID && becameUrgent) {
    commands.push({ type: "transfer", skillId: URGENT_SKILL_ID });
  }

  if (tooLate) {
    commands.push({ type: "closeConversation" });
  }

  // Stay under one second: the consumer and the agents do not wait for this function.
  callback(null, commands);
}
