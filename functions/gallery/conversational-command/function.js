// Runs when an agent types / and this function's name in the workspace. Name and description of the
// function are what the agent sees in the list of commands.

function lambda(input, callback) {
  const { conversationId, arguments: [action, ...words] } = input.payload;

  // Only the agent sees the result, and only if it is a text or a number. An error is shown as one.
  switch (action) {
    case "echo":
      return callback(null, words.join(" "));
    case "id":
      return callback(null, conversationId);
    default:
      return callback(new Error(`Cannot run "${action ?? ""}": try "echo" or "id"`));
  }
}
