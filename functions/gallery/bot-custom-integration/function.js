// Runs when a conversation of a custom bot waits for the bot's next turn.

// Fill this in to use it. While it is empty, the bot never hands a conversation over.
const AGENTS_SKILL = ""; // name of the skill that takes over when the consumer asks for a person

function lambda(input, callback) {
  const { message } = input.payload; // empty on the first turn: nobody has written yet
  const asksForPerson = /\b(agent|human|person)\b/i.test(message);

  if (AGENTS_SKILL && asksForPerson) {
    return callback(null, {
      messages: ["One moment, a colleague takes over."],
      context: { action: "TRANSFER", actionParameters: { skill: AGENTS_SKILL } },
    });
  }

  // A pause with a typing indicator makes the bot easier to follow; its length is in seconds.
  callback(null, {
    messages: [
      { delay: 1, typing: true },
      message ? "I cannot answer that yet." : "How can I help?",
    ],
    context: {},
  });
}
