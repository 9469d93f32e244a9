// Runs when somebody has not answered for the account's idle time: the agent, the consumer, or
// anybody at all while the conversation waits in the queue.

// What the consumer reads, by who is silent.
const MESSAGES = {
  AGENT_NON_RESPONSIVE: "We are still working on your question, thank you for your patience.",
  CONSUMER_NON_RESPONSIVE: "Are you still there? We are happy to help.",
  CONV_AWAITING_IN_QUEUE: "All our agents are busy. You are still in line.",
};

// Fill these in to use them. While they are empty or 0, no conversation is moved or closed.
const OVERFLOW_SKILL_ID = ""; // conversations that wait in the queue are transferred to this skill
const CLOSE_AFTER_HOURS = 0; // silent for so long after an agent's line: the conversation is closed

const HOUR_MS = 60 * 60 * 1000;

function lambda(input, callback) {
  const { general, idle, routing } = input.payload;

  // `lastConsumerMsgTs` is false while no line of the consumer waits for an answer.
  const consumerOwesAnswer = idle.lastConsumerMsgTs === false && general.lastAgentMsgTs !== null;
  const silentHours = consumerOwesAnswer ? (Date.now() - general.lastAgentMsgTs) / HOUR_MS : 0;

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const commands = [{ type: "systemMessage", text: MESSAGES[general.cbotEventType] }];

  const waiting = general.cbotEventType === "CONV_AWAITING_IN_QUEUE";
  if (OVERFLOW_SKILL_ID && waiting && routing.newSkillId !== OVERFLOW_SKILL_ID) {
    commands.push({ type: "transfer", skillId: OVERFLOW_SKILL_ID });
  }

  if (CLOSE_AFTER_HOURS > 0 && silentHours >= CLOSE_AFTER_HOURS) {
    commands.push({ type: "closeConversation" });
  }

  // Stay under one second: whoever was silent may write at any moment.
  callback(null, commands);
}
