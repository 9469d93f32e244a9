// Calls liveperson-functions-client: calls.mjs < [{client, call, args}, …], prints what came of each.
//
// One client, with its caches, for all calls that name the same settings. What a setting cannot be
// in JSON: `bearer` is an authStrategy of one's own, `csds` what tooling.getCsdsEntry answers.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const { Client } = createRequire(import.meta.url)("liveperson-functions-client");
const clients = new Map();

function clientOf({ bearer, csds, ...config }) {
  if (bearer !== undefined) config.authStrategy = () => Promise.resolve(`Bearer ${bearer}`);
  const tooling = csds === undefined ? undefined : { getCsdsEntry: () => Promise.resolve(csds) };
  return new Client(config, tooling);
}

/** An error, and every cause below it: the names people match, and the answer they log. */
function told(error) {
  const causes = [];
  for (let cause = error; cause; cause = cause.jse_cause) causes.push(cause);
  const response = causes.map((cause) => cause.jse_info?.response).find(Boolean);
  return { name: error.name, causes: causes.map(({ name }) => name), response };
}

const came = [];
for (const { client, call, args } of JSON.parse(await text(process.stdin))) {
  const key = JSON.stringify(client);
  if (!clients.has(key)) clients.set(key, clientOf(client));
  try {
    came.push({ returned: await clients.get(key)[call](args) });
  } catch (error) {
    came.push({ thrown: told(error) });
  }
}
console.log(JSON.stringify(came));
