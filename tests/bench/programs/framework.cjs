const functions = require("@google-cloud/functions-framework");

functions.http("lambda", (request, response) => {
  response.json({ type: "systemMessage", text: "Hello" });
});
