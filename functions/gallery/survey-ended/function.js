// Runs when the survey after a conversation is answered, or ends without an answer. The survey bot
// ignores what is returned: there are no commands here, this is a place to take notes.

function lambda(input, callback) {
  const { conversationId, surveyId, skillId, lastQuestionId, dialogs } = input.payload;
  const survey = dialogs.find(({ dialogType }) => dialogType === "POST_SURVEY");

  console.info("Survey ended", {
    conversationId,
    surveyId,
    skillId,
    lastQuestionId,
    tookSeconds: survey?.endTs ? (survey.endTs - survey.creationTs) / 1000 : null,
  });

  callback(null, "ok");
}
