// Runs when the consumer writes during off-hours in a conversation that was opened earlier. It runs
// for the first such line of a night only.

// What the consumer reads.
const MESSAGE = "We are closed now. Your message is safe and we will answer when we are back.";
const CLOSING_MESSAGE = "We are closed now. Please start a new conversation when we are back.";

// Fill these in to use them. While they are empty or 0, no conversation is moved or closed.
const NIGHT_SKILL_ID = ""; // conversations are transferred to this skill for the night
const CLOSE_WHEN_OLDER_THAN_DAYS = 0; // conversations that began before that are closed

const DAY_MS = 24 * 60 * 60 * 1000;

function lambda(input, callback) {
  const { general, mid, routing } = input.payload;
  const ageDays = (general.serverTimestamp - general.startTs) / DAY_MS;
  const tooOld = CLOSE_WHEN_OLDER_THAN_DAYS > 0 && ageDays > CLOSE_WHEN_OLDER_THAN_DAYS;

  // `openedInOffHours` tells that the conversation itself began while the office was closed.
  console.info("A consumer writes in off-hours", { openedInOffHours: mid.openedInOffHours });

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const commands = [{ type: "systemMessage", text: tooOld ? CLOSING_MESSAGE : MESSAGE }];

  if (tooOld) {
    commands.push({ type: "closeConversation" });
  } else if (NIGHT_SKILL_ID && routing.newSkillId !== NIGHT_SKILL_ID) {
    commands.push({ type: "transfer", skillId: NIGHT_SKILL_ID });
  }

  // Stay under one second: the consumer is still looking at the conversation.
  callback(null, commands);
}
