// Code for the usual tasks of a function, offered while its word is typed.
import { languages } from "monaco-editor/editor";

// `body` in the words of editors: $1 is the first place to type, ${1:x} begins with x, \$ is a $.
export const SNIPPETS = [
  {
    prefix: "lambda",
    label: "Function with a callback",
    doc: "The function that an event runs. `callback` gives its result.",
    body:
      "function lambda(input, callback) {\n\tconst { payload } = input;\n\t$0\n\tcallback(null, []);\n}",
  },
  {
    prefix: "lambda-async",
    label: "Async function",
    doc: "The function that an event runs. What it returns is its result.",
    body: "async function lambda(input) {\n\tconst { payload } = input;\n\t$0\n\treturn [];\n}",
  },
  {
    prefix: "message",
    label: "Command: send a message",
    doc: "Says this instead of the account's automatic message.",
    body: '{ type: "systemMessage", text: "${1:We will be with you shortly.}" }',
  },
  {
    prefix: "no-message",
    label: "Command: send no message",
    doc: "Keeps the account's automatic message away and says nothing.",
    body: '{ type: "systemMessage", text: [] }',
  },
  {
    prefix: "transfer",
    label: "Command: transfer to a skill",
    doc: "Moves the conversation to another skill.",
    body: '{ type: "transfer", skillId: "${1:563267}" }',
  },
  {
    prefix: "transfer-agent",
    label: "Command: transfer to an agent",
    doc: "Proposes an agent within a skill.",
    body: '{ type: "transfer", skillId: "${1:563267}", agentId: "${2:agent}" }',
  },
  {
    prefix: "close",
    label: "Command: close the conversation",
    doc: "Closes the conversation, after a message and a transfer.",
    body: '{ type: "closeConversation" }',
  },
  {
    prefix: "secret",
    label: "Read a secret",
    doc: "Gives the value of one of the account's secrets; inside an `async` function.",
    body: 'const { Toolbelt } = require("lp-faas-toolbelt");\n' +
      'const { value: ${1:token} } = await Toolbelt.SecretClient().readSecret("${2:token}");\n$0',
  },
  {
    prefix: "fetch",
    label: "Fetch JSON, with a timeout",
    doc:
      "Asks another system and gives up in time for the conversation; inside an `async` function. " +
      "Its host must be on the account's allow-list.",
    body: 'const response = await fetch("https://${1:api.example.com}/${2:orders}", {\n' +
      "\tsignal: AbortSignal.timeout(${3:800}),\n});\n" +
      "if (!response.ok) throw new Error(`The answer is \\${response.status}`);\n" +
      "const ${4:data} = await response.json();\n$0",
  },
  {
    prefix: "http",
    label: "HTTP call with the toolbelt",
    doc: "Asks another system in the words of request-promise; inside an `async` function. Its " +
      "host must be on the account's allow-list.",
    body: 'const { Toolbelt } = require("lp-faas-toolbelt");\n' +
      'const ${1:order} = await Toolbelt.HTTPClient()("https://${2:api.example.com}/${3:orders}", {\n' +
      '\tmethod: "${4:GET}",\n\tjson: true,\n\ttimeout: ${5:800},\n});\n$0',
  },
  {
    prefix: "keywords",
    label: "Look for keywords in the conversation",
    doc:
      "Fetches what was written and finds messages with these words; inside an `async` function.",
    body: 'const { Toolbelt } = require("lp-faas-toolbelt");\n' +
      "const conversations = Toolbelt.ConversationUtil();\n" +
      "const conversation = await conversations.getConversationById(input.payload.general.convId);\n" +
      'const found = conversations.scanConversationForKeywords(conversation, ["${1:refund}"]);\n' +
      "if (found.length > 0) {\n\t$0\n}",
  },
  {
    prefix: "invoke",
    label: "Invoke another function",
    doc:
      "Runs a deployed function of this account and gives its result; inside an `async` function.",
    body: 'const { Toolbelt } = require("lp-faas-toolbelt");\n' +
      "const [{ body: ${1:result} }] = await Toolbelt.OrchestratorClient().invoke([\n" +
      '\t{ uuid: "${2:id of the function}", payload: { ${3:id: 1} } },\n], ${4:800});\n$0',
  },
  {
    prefix: "log",
    label: "Log with extras",
    doc: "Writes a log entry; the extras are kept beside its message as JSON.",
    body: 'console.info("${1:What happened}", { ${2:id: 1} });',
  },
  {
    prefix: "remember",
    label: "Remember in the context",
    doc:
      "Keeps a value of this conversation for its next events; inside an `async` function of a " +
      "messaging event.",
    body: 'const { Toolbelt } = require("lp-faas-toolbelt");\n' +
      'const context = Toolbelt.ContextServiceClient({ apiKey: "${1:key}", accountId: process.env.BRAND_ID });\n' +
      'await context.createNamespace("${2:visits}");\n' +
      'await context.setPropertiesInNamespace("${2:visits}", { ${3:greeted: true} }, input.payload.general.convId);\n$0',
  },
  {
    prefix: "per-skill",
    label: "Another answer for each skill",
    doc: "Chooses by the skill that the conversation has now.",
    body: "switch (input.payload.routing.newSkillId) {\n" +
      '\tcase "${1:563267}":\n\t\t$0\n\t\tbreak;\n\tdefault:\n\t\tbreak;\n}',
  },
  {
    prefix: "per-subtype",
    label: "Another answer for each kind of the event",
    doc: "Chooses by what happened exactly.",
    body: "switch (input.payload.general.cbotEventType) {\n" +
      '\tcase "$1":\n\t\t$0\n\t\tbreak;\n\tdefault:\n\t\tbreak;\n}',
  },
  {
    prefix: "try",
    label: "Go on when something fails",
    doc: "Logs the error and lets the account's automatic message go out.",
    body: "try {\n\t$0\n} catch (error) {\n\tconsole.error(error.message);\n}",
  },
];

export function offerSnippets(languageId) {
  return languages.registerCompletionItemProvider(languageId, {
    provideCompletionItems(model, position) {
      const word = model.getWordUntilPosition(position);
      const before = model.getLineContent(position.lineNumber).slice(0, word.startColumn - 1);
      // Behind a point a name is meant, and in quotes nothing.
      if (/[.'"`]\s*$/.test(before)) return { suggestions: [] };
      const range = {
        startLineNumber: position.lineNumber,
        endLineNumber: position.lineNumber,
        startColumn: word.startColumn,
        endColumn: word.endColumn,
      };
      return {
        suggestions: SNIPPETS.map(({ prefix, label, doc, body }) => ({
          label: { label: prefix, description: label },
          kind: languages.CompletionItemKind.Snippet,
          detail: label,
          documentation: { value: `${doc}\n\n\`\`\`javascript\n${shown(body)}\n\`\`\`` },
          insertText: body,
          insertTextRules: languages.CompletionItemInsertTextRule.InsertAsSnippet,
          // Behind the names that the code itself has.
          sortText: `~${prefix}`,
          range,
        })),
      };
    },
  });
}

// A body without the places to type, as it would stand there.
export function shown(body) {
  return body.replace(/(?<!\\)\$\{\d+:([^{}]*)\}/g, "$1").replace(/(?<!\\)\$\d+/g, "")
    .replaceAll("\\$", "$").replaceAll("\t", "  ");
}
