// Runs before a request goes to the third-party bot. What is returned is sent instead of it; the
// shape is the one that your bot's vendor expects.

const ADD_CONVERSATION_ID = false; // true: the bot learns which conversation it talks in

function lambda(input, callback) {
  const { payload: request, convId } = input.payload;

  if (!ADD_CONVERSATION_ID) {
    return callback(null, request);
  }

  const { queryParams } = request;
  const payload = { ...queryParams?.payload, conversationId: convId };
  callback(null, { ...request, queryParams: { ...queryParams, payload } });
}
