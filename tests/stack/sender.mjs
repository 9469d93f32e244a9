// Sends one CloudEvent with the published npm libraries: sender.mjs <url> <secret> <mode> <event JSON>
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";

const [url, secret, mode, text] = process.argv.slice(2);
const event = new CloudEvent(JSON.parse(text));
const message = mode === "binary" ? HTTP.binary(event) : HTTP.structured(event);
const body = typeof message.body === "string" ? message.body : JSON.stringify(message.body);
const id = `msg_${event.id}`;
const now = new Date();
const response = await fetch(url, {
  method: "POST",
  body,
  headers: {
    ...message.headers,
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, now, body),
  },
});
console.log(JSON.stringify({ status: response.status, body: await response.json() }));
