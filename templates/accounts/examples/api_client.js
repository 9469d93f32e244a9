// npm install liveperson-functions-client
const { Client } = require("liveperson-functions-client");

const accountId = "{{ account.pk }}";
const clientId = "{{ client.client_id }}";
const clientSecret = "{{ secret|default:"…" }}";
{% if is_plain %}
const client = new Client(
  { accountId, authStrategy: { clientId, clientSecret } },
  { getCsdsEntry: async () => "{{ server }}" },
);
{% else %}
async function bearer() {
  const answer = await fetch(`{{ url }}/sentinel/api/account/${accountId}/app/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      client_secret: clientSecret,
    }),
  });
  return `Bearer ${(await answer.json()).access_token}`;
}

const base = "{{ server }}/api/account/%s";
const client = new Client({
  accountId,
  authStrategy: bearer,
  protocol: "{{ scheme }}",
  invokeUuidUri: `${base}/lambdas/%s/invoke`,
  invokeEventUri: `${base}/events/%s/invoke`,
  isImplementedUri: `${base}/events/%s/isImplemented`,
  getLambdasUri: `${base}/lambdas/`,
  getFunctionsUri: `${base}/functions`,
}, { getCsdsEntry: async () => "" });
{% endif %}
{% if invoked %}// Runs {{ invoked.function_name }}
client.invoke({
  lambdaUuid: "{{ invoked.function_id }}",
  externalSystem: "example",
  body: { payload: {{ payload }} },
}).then((answer) => console.log(answer.status, answer.body), console.error);{% else %}// {% if may_invoke %}No function is deployed, so nothing can be run yet: this lists functions{% else %}This client may run no function: this lists them{% endif %}
client.getFunctions({ userId: "" })
  .then((answer) => console.log(answer.status, answer.body), console.error);{% endif %}
