// Runs after the third-party bot has answered. What is returned is used instead of its response;
// the shape is the one that your bot's vendor sends.

// Below this confidence (1 is certain) the bot asks back. While it is 0, all answers are used.
const LEAST_CONFIDENCE = 0;
const QUESTION = "I am not sure that I understand. Could you say it in other words?";

function lambda(input, callback) {
  const { payload: response } = input.payload;
  const { queryResult } = response;
  const confidence = queryResult?.intentDetectionConfidence ?? 1;

  if (confidence >= LEAST_CONFIDENCE) {
    return callback(null, response);
  }

  callback(null, { ...response, queryResult: { ...queryResult, fulfillmentText: QUESTION } });
}
