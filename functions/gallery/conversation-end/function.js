// Runs when the conversation is closed by the agent, the consumer or the system.

// What the consumer reads, by who closed. A platform shows it if it still takes messages then.
const MESSAGES = {
  AGENT: "Thank you for talking to us. You can write again at any time.",
  CONSUMER: "Goodbye, and thank you!",
  SYSTEM: "We have closed this conversation because it was quiet for long. Just write again.",
};

// Fill these in to use them. While they are empty or false, the bot only says goodbye.
const FOLLOW_UP_SKILL_ID = ""; // closed by the system: hand it to this skill, if the platform can
const SKIP_SURVEY = false; // true: a consumer who has closed the conversation gets no survey

function lambda(input, callback) {
  const { end } = input.payload;

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const commands = [{ type: "systemMessage", text: MESSAGES[end.closeReason] }];

  // Some platforms route a closed conversation like a ticket; others refuse, and nothing happens.
  if (FOLLOW_UP_SKILL_ID && end.closeReason === "SYSTEM") {
    commands.push({ type: "transfer", skillId: FOLLOW_UP_SKILL_ID });
  }

  // The survey is a part of the conversation: closing it once more closes the survey as well.
  if (SKIP_SURVEY && end.closeReason === "CONSUMER") {
    commands.push({ type: "closeConversation" });
  }

  // Stay under one second: a conversation that is over soon takes no more messages.
  callback(null, commands);
}
