// Replaces the files of a conversation that has ended with a black picture, so that no personal
// data stays with the platform.
const { Toolbelt } = require("lp-faas-toolbelt");

const conversations = Toolbelt.ConversationUtil();
const privacy = Toolbelt.GDPRUtil();
const secrets = Toolbelt.SecretClient();
const KEY = "file-storage"; // of type JSON: {"username": "…", "password": "…"}

async function lambda(input, callback) {
  const { convId } = input.payload.general;
  try {
    const { value: credentials } = await secrets.readSecret(KEY);
    const conversation = await conversations.getConversationById(convId);

    // Which files: all of them here. Give back false to keep one.
    const shouldReplace = () => true;
    const replaced = await privacy.replaceConversationFiles(
      conversation,
      credentials,
      shouldReplace,
    );
    console.info("Replaced files", { convId, count: replaced.length });
  } catch (error) {
    console.error("Cannot replace the files", { convId, code: error.code });
  }

  // No commands: the automatic message for the end of a conversation goes out.
  callback(null, []);
}
