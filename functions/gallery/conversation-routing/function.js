// Runs when the conversation is routed to a different skill.

// What the consumer reads. Skills without a name here are called "the right team".
const SKILL_NAMES = {
  // "123456": "our billing team",
};

// Fill these in to use them. While they are empty, no conversation is moved or closed.
const REPLACED_SKILLS = {
  // "123456": "654321", what arrives at the first skill is transferred on to the second
};
const SPAM_SKILL_ID = ""; // conversations that agents put into this skill are closed

function lambda(input, callback) {
  const { oldSkillId, newSkillId } = input.payload.routing;

  // Two skills that replace each other would pass the conversation back and forth for ever.
  const replacement = REPLACED_SKILLS[newSkillId];
  const onwards = replacement && replacement !== oldSkillId ? replacement : null;
  const isSpam = SPAM_SKILL_ID && newSkillId === SPAM_SKILL_ID;

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const team = SKILL_NAMES[onwards ?? newSkillId] ?? "the right team";
  const text = isSpam ? [] : `We are passing you on to ${team}.`;
  const commands = [{ type: "systemMessage", text }];

  if (onwards) {
    commands.push({ type: "transfer", skillId: onwards });
  }

  if (isSpam) {
    commands.push({ type: "closeConversation" });
  }

  // Stay under one second: an agent of the new skill may answer at once.
  callback(null, commands);
}
