// A bot made of the vendor's own client, as it is. It does what lines of JSON on its standard input
// say, `{"call": name, "body": {…}}`, and tells what comes of it and what it hears, a line each.
import { createInterface } from "node:readline";

import { Agent } from "node-agent-sdk";

const [csdsDomain, accountId, login] = process.argv.slice(2);
const agent = new Agent({ ...JSON.parse(login), accountId, csdsDomain });

function tell(kind, value) {
  process.stdout.write(JSON.stringify({ kind, value }) + "\n");
}

agent.on("connected", () => tell("connected", { pid: agent.agentId, oldId: agent.__oldAgentId }));
agent.on("closed", (code) => tell("closed", code));
agent.on("error", (error) => tell("error", String(error?.message ?? error)));
agent.on("cqm.ExConversationChangeNotification", (body) => tell("conversation", body));
agent.on("ms.MessagingEventNotification", (body) => tell("message", body));

for await (const line of createInterface({ input: process.stdin })) {
  const { call, body } = JSON.parse(line);
  agent[call](body, (error, answer) => tell(call, { error: error?.body ?? error, answer }));
}
agent.dispose();
