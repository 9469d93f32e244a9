// Runs when a consumer starts a new conversation.

// What the consumer reads.
const WELCOME = "Welcome back! An agent will be with you shortly.";
const WELCOME_FIRST_TIME = "Hello and welcome! An agent will be with you shortly.";
const WELCOME_OFF_HOURS = "Hello! We are closed right now and will answer as soon as we are back.";

// Fill these in to use them. While they are empty, no conversation is moved or closed.
const VIP_CAMPAIGN_ID = ""; // conversations that start from this campaign …
const VIP_SKILL_ID = ""; // … are transferred to this skill
const CLOSED_CHANNEL = ""; // conversations of this context type are closed, "CustomContext" perhaps

function lambda(input, callback) {
  const { general, start } = input.payload;

  // Commands tell the controller bot what to do. All are optional, and of each type only the first
  // counts. Without a systemMessage the account's automatic one goes out; `text: []` sends none.
  const commands = [{ type: "systemMessage", text: welcome(general, start) }];

  if (VIP_SKILL_ID && VIP_CAMPAIGN_ID && general.campaignInfo.id === VIP_CAMPAIGN_ID) {
    commands.push({ type: "transfer", skillId: VIP_SKILL_ID });
  }

  if (CLOSED_CHANNEL && general.contextType === CLOSED_CHANNEL) {
    commands.push({ type: "closeConversation" });
  }

  // Stay under one second: the consumer and the agents do not wait for this function.
  callback(null, commands);
}

function welcome(general, start) {
  if (general.inOffHours) return WELCOME_OFF_HOURS;
  return start.firstConversation ? WELCOME_FIRST_TIME : WELCOME;
}
