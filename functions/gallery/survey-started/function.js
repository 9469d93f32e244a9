// Runs when the survey after a conversation starts. The survey bot ignores what is returned: there
// are no commands here, this is a place to take notes.

function lambda(input, callback) {
  const { conversationId, surveyId, skillId, closeReason } = input.payload;

  console.info("Survey started", { conversationId, surveyId, skillId, closeReason });

  callback(null, "ok");
}
