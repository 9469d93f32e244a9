// Runs when talking to the third-party bot has failed. Nobody waits for a result: take a note, or
// tell those who look after the bot.

function lambda(input, callback) {
  const { convId, payload: { error } } = input.payload;

  console.error("The bot failed", { conversationId: convId, error });

  callback();
}
