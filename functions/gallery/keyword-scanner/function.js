// Looks for words in a conversation that has ended.
const { Toolbelt } = require("lp-faas-toolbelt");

const conversations = Toolbelt.ConversationUtil();
const WORDS = ["refund", "lawyer", "cancel my contract"];

async function lambda(input, callback) {
  const { convId } = input.payload.general;
  try {
    const conversation = await conversations.getConversationById(convId);

    // Found in any case: {message, sentTimestamp, sentBy, tag: "keywordRef:refund"}
    const found = conversations.scanConversationForKeywords(conversation, WORDS);
    if (found.length > 0) {
      console.warn("Words to look at", {
        convId,
        tags: found.map((each) => each.tag),
      });
    }
  } catch (error) {
    // The history needs the account's LivePerson keys and its hosts in the allow-list.
    console.error("Cannot read the conversation", { convId, code: error.code });
  }

  // No commands: the automatic message for the end of a conversation goes out.
  callback(null, []);
}
