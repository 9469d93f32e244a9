// Runs when an anonymous consumer signs in during the conversation and gets another identity.

// What the consumer reads.
const MESSAGE = "Thank you for signing in. We can now help you with your account.";

// Fill these in to use them. While they are empty, no conversation is moved or closed.
const MEMBERS_SKILL_ID = ""; // consumers who have signed in are transferred to this skill
const BLOCKED_CONSUMER_IDS = []; // conversations of these consumers are closed without a word

function lambda(input, callback) {
  const { participantChange, routing } = input.payload;
  const consumer = participantChange.newParticipants.find(({ role }) => role === "CONSUMER");
  const isBlocked = BLOCKED_CONSUMER_IDS.includes(consumer.id);

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const commands = [{ type: "systemMessage", text: isBlocked ? [] : MESSAGE }];

  if (isBlocked) {
    commands.push({ type: "closeConversation" });
  } else if (MEMBERS_SKILL_ID && routing.newSkillId !== MEMBERS_SKILL_ID) {
    commands.push({ type: "transfer", skillId: MEMBERS_SKILL_ID });
  }

  // Stay under one second: the conversation goes on meanwhile.
  callback(null, commands);
}
