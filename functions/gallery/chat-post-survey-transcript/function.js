// Runs when a chat's survey is answered. The chat server mails the transcript to every address that
// is returned; an empty list sends nothing.

// Fill this in to use it. While it is empty, nothing is mailed.
const TARGET_EMAIL = "";
const SENDER = { senderName: "Houston", senderEmail: "" };
const MAIL_UP_TO_RANK = 3; // ratings above it are good enough

function lambda(input, callback) {
  const { csatRank, skillName, agentName } = input.payload;

  if (!TARGET_EMAIL || csatRank > MAIL_UP_TO_RANK) {
    return callback(null, []);
  }

  const subject = `Rated ${csatRank}: ${agentName} in ${skillName}`;
  callback(null, [{ targetEmail: TARGET_EMAIL, ...SENDER, subject }]);
}
