// Runs when an agent takes the conversation, joins it, leaves it or returns it to the queue, and
// when a further consumer joins or leaves.

// What the consumer reads, by what happened.
const MESSAGES = {
  YOU_ARE_CONNECTED_TO: "You are now connected to an agent.",
  BACK_TO_QUEUE: "Your agent had to leave. The next one is on the way.",
  ANOTHER_AGENT_JOINED_CONVERSATION: "Another agent has joined to help.",
  JOINED_AGENT_LEFT_CONVERSATION: [], // an empty list: say nothing at all
  CONSUMER_JOINED_CONVERSATION: "Somebody else has joined this conversation.",
  CONSUMER_LEFT_CONVERSATION: [],
};

// Fill these in to use them. While they are empty or false, no conversation is moved or closed.
const SECOND_TRY_SKILL_ID = ""; // conversations that agents give back are transferred to this skill
const CLOSE_IN_OFF_HOURS = false; // true: those given back while the office is closed are closed

function lambda(input, callback) {
  const { general, participantChange, routing } = input.payload;
  const agents = participantChange.newParticipants.filter(({ role }) => role === "ASSIGNED_AGENT");
  const givenBack = general.cbotEventType === "BACK_TO_QUEUE" && agents.length === 0;

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const commands = [{ type: "systemMessage", text: MESSAGES[general.cbotEventType] }];

  if (CLOSE_IN_OFF_HOURS && givenBack && general.inOffHours) {
    commands.push({ type: "closeConversation" });
  } else if (SECOND_TRY_SKILL_ID && givenBack && routing.newSkillId !== SECOND_TRY_SKILL_ID) {
    commands.push({ type: "transfer", skillId: SECOND_TRY_SKILL_ID });
  }

  // Stay under one second: an agent may greet at once, and a late message reads oddly after that.
  callback(null, commands);
}
