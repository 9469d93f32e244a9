"""What LivePerson's manual shows of each client, run as functions of both generations.

Source: liveperson-functions-developing-with-faas-toolbelt and liveperson-functions-v2-examples, in
words of our own.
"""

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import quote, unquote

import pytest

from invoker.runtime import Outcome
from tests.namespace import Answer
from tests.toolbelt.account import Account, as_json
from tests.toolbelt.test_conversations import CONVERSATION, SEARCH
from tests.toolbelt.test_services import CLIENT, KEY, TOKEN, V1_SECRET, V2_SECRET

pytestmark = pytest.mark.runtime

SHOP = "www.shop.example"
FUNCTION = "aaaaaaaa-0000-0000-0000-000000000001"
SESSION = {
    "conversationHistoryRecords": [
        {
            "sdes": {
                "events": [{"sdeType": "PERSONAL_INFO", "serverTimeStamp": 1569572377270}],
            },
            "unAuthSdes": {"events": []},
        }
    ]
}

V1_EXAMPLES = {
    "an HTTP request": (
        """
        function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const httpClient = Toolbelt.HTTPClient();
          httpClient("http://www.shop.example/orders", {
            method: "GET",
            headers: {},
            simple: false,
            json: true,
            resolveWithFullResponse: false,
          })
            .then((response) => callback(null, response))
            .catch((error) => callback(error, null));
        }
        """,
        {"orders": []},
    ),
    "a call of a LivePerson service": (
        """
        function lambda(input, callback) {
          const { Toolbelt, LpServices } = require("lp-faas-toolbelt");
          const lpClient = Toolbelt.LpClient();
          lpClient(
            LpServices.MSG_HIST,
            `/messaging_history/api/account/${process.env.BRAND_ID}/conversations/conversation/search`,
            {
              method: "POST",
              body: { conversationId: "c-1" },
              json: true,
              appKeySecretName: "my-custom-secret-name",
            },
          )
            .then((found) => callback(null, found.conversationHistoryRecords.length))
            .catch(callback);
        }
        """,
        1,
    ),
    "reading and changing a secret": (
        """
        function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const secretClient = Toolbelt.SecretClient();
          secretClient.readSecret("my_Secret-Key")
            .then((secret) => {
              secret.value = "nEw.oaUtH2-tOKeN!!11!";
              return secretClient.updateSecret(secret);
            })
            .then((_) => callback(null, { message: "Successfully updated secret" }))
            .catch((error) => {
              console.error(`Failed during secret operation with ${error.message}`);
              callback(error, null);
            });
        }
        """,
        {"message": "Successfully updated secret"},
    ),
    "the attributes of a conversation": (
        """
        async function lambda(input, callback) {
          const { Toolbelt, ConversationContentTypes } = require("lp-faas-toolbelt");
          const conversationUtil = Toolbelt.ConversationUtil();
          const sdeUtil = Toolbelt.SDEUtil();
          const conversation = await conversationUtil.getConversationById("attributes", [
            ConversationContentTypes.SDES,
            ConversationContentTypes.UNAUTH_SDES,
          ]);
          callback(null, sdeUtil.getSDEsFromConv(conversation));
        }
        """,
        {key: SESSION["conversationHistoryRecords"][0][key] for key in ("sdes", "unAuthSdes")},
    ),
    "words in a conversation": (
        """
        async function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const conversationUtil = Toolbelt.ConversationUtil();
          const conversation = await conversationUtil.getConversationById("c-1");
          const found = conversationUtil.scanConversationForKeywords(conversation, ["AWESOME"]);
          callback(null, found.map(({ tag, sentBy }) => [tag, sentBy]));
        }
        """,
        [["keywordRef:AWESOME", "Agent"]],
    ),
    "replacing the files of a conversation": (
        """
        function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const conversationUtil = Toolbelt.ConversationUtil();
          const gdprUtil = Toolbelt.GDPRUtil();
          const replacementFile = {
            body: Buffer.from("aGk=", "base64"),
            contentType: "image/png",
          };
          conversationUtil.getConversationById("c-1")
            .then((conversation) =>
              gdprUtil.replaceConversationFiles(
                conversation,
                { username: "u", password: "p" },
                (filePath) => filePath !== "/a",
                replacementFile,
              )
            )
            .then((replacedFiles) => callback(null, replacedFiles))
            .catch((error) => callback(error));
        }
        """,
        ["/b.pdf"],
    ),
    "adding attributes": (
        """
        function lambda(input, callback) {
          const { Toolbelt, SDETypes } = require("lp-faas-toolbelt");
          const sdeUtil = Toolbelt.SDEUtil();
          const sdes = [{
            type: SDETypes.PERSONAL_INFO,
            personal: { contacts: [{ email: "john.doe@example.com" }] },
          }];
          sdeUtil.addSDEs(sdes, "YyY2RlZGY3NzZjYoJhZGQx", "bjfYkPt-SYCqqZWDHNwSKQ")
            .then((response) => callback(null, "added"))
            .catch((error) => callback(error));
        }
        """,
        "added",
    ),
    "the stored context": (
        """
        async function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const secretClient = Toolbelt.SecretClient();
          try {
            const { value: apiKey } = await secretClient.readSecret("developer-key");
            const accountId = process.env.BRAND_ID;
            const client = Toolbelt.ContextServiceClient({ accountId, apiKey });
            await client.setPropertiesInNamespace("orders", { last: "o-1" }, "c-1");
            callback(null, await client.getPropertyInSession("orders", "last", "c-1"));
          } catch (error) {
            console.error(`received following error message: ${error.message}`);
            callback(error);
          }
        }
        """,
        "o-1",
    ),
    "invoking another function": (
        """
        async function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const orchestrator = Toolbelt.OrchestratorClient();
          const [{ statusCode, body }] = await orchestrator.invoke([
            { uuid: input.payload.uuid, payload: { a: 1 }, headers: { h: "v" } },
          ]);
          callback(null, [statusCode, body]);
        }
        """,
        [200, {"asked": {"a": 1}}],
    ),
    "OAuth 1.0a by a package": (
        """
        async function lambda(input, callback) {
          const { Toolbelt } = require("lp-faas-toolbelt");
          const OAuth = require("oauth-1.0a");
          const crypto = require("crypto");
          const oauth = OAuth({
            consumer: { key: "ck", secret: "cs" },
            signature_method: "HMAC-SHA1",
            hash_function: (text, key) =>
              crypto.createHmac("sha1", key).update(text).digest("base64"),
          });
          const request = { url: "http://www.shop.example/signed", method: "POST" };
          const response = await Toolbelt.HTTPClient()(request.url, {
            method: request.method,
            headers: { ...oauth.toHeader(oauth.authorize(request, { key: "tk", secret: "ts" })) },
            json: true,
            body: { key: "value" },
          });
          callback(null, response);
        }
        """,
        {"signed": True},
    ),
}

V2_EXAMPLES = {
    "a secret and a request by fetch": (
        """
        import { Toolbelt } from "core-functions-toolbelt";
        const secretClient = Toolbelt.SecretClient();

        async function lambda(input) {
          const [{ value: one }, { value: two }] = await Promise.all([
            secretClient.readSecret("my_Secret-Key"),
            secretClient.readSecret("developer-key", { useCache: false, timeout: 1000 }),
          ]);
          const response = await fetch("http://www.shop.example/orders", { headers: { one, two } });
          return await response.json();
        }
        """,
        {"orders": []},
    ),
    "a call of a LivePerson service": (
        """
        import { LpServices, Toolbelt } from "core-functions-toolbelt";
        const lpClient = Toolbelt.LpClient();

        export async function lambda(input) {
          const accountId = process.env.X_LIVEPERSON_BRAND_ID;
          const response = await lpClient(
            LpServices.MSG_HIST,
            `/messaging_history/api/account/${accountId}/conversations/conversation/search`,
            { method: "POST", body: JSON.stringify({ conversationId: "c-1" }) },
          );
          return [response.ok, (await response.json()).conversationHistoryRecords.length];
        }
        """,
        [True, 1],
    ),
    "a secret that is not there": (
        """
        import { ErrorCodes, Toolbelt, ToolBeltError } from "core-functions-toolbelt";

        async function lambda(input) {
          try {
            await Toolbelt.SecretClient().readSecret("none");
          } catch (error) {
            return [error instanceof ToolBeltError, error.code === ErrorCodes.Secret.NotFound];
          }
        }
        """,
        [True, True],
    ),
    "words in a conversation": (
        """
        import { ConversationContentTypes, Toolbelt } from "core-functions-toolbelt";

        export default async function (input) {
          const util = Toolbelt.ConversationUtil();
          const conversation = await util.getConversationById("c-1", [
            ConversationContentTypes.MESSAGE_RECORDS,
          ]);
          return util.scanConversationForKeywords(conversation, ["awesome"]).length;
        }
        """,
        1,
    ),
    "invoking other functions": (
        """
        import { ErrorStrategy, Toolbelt } from "core-functions-toolbelt";

        async function lambda(input) {
          const invocations = [
            { uuid: input.payload.uuid, payload: {}, headers: { h: "v" } },
            { uuid: input.payload.uuid, payload: {} },
          ];
          const responses = await Toolbelt.OrchestratorClient().invoke(invocations, 20000, {
            json: true,
            invokeParallel: true,
            errorStrategy: ErrorStrategy.CONTINUE_ON_ERROR,
          });
          return responses.map(({ statusCode, body }) => [statusCode, body]);
        }
        """,
        [[200, {"asked": {}}]] * 2,
    ),
    "the stored context": (
        """
        import { Toolbelt } from "core-functions-toolbelt";

        async function lambda(input) {
          const client = Toolbelt.ContextServiceClient("key");
          await client.createNamespace("orders");
          const entity = await client.updatePropertiesInNamespace("orders", { last: "o-1" });
          const names = (await client.getListOfNamespaces()).map(({ name }) => name);
          return [entity, names];
        }
        """,
        [{"last": "o-1"}, ["orders"]],
    ),
    "services": (
        """
        import { LpServices, Toolbelt } from "core-functions-toolbelt";

        async function lambda(input) {
          return await Toolbelt.CsdsClient().get(LpServices.SMT);
        }
        """,
        "smt.liveperson.example",
    ),
}


@pytest.fixture
def shop(account: Account) -> Account:
    """An account with everything that the examples speak of."""
    account.secrets = {
        V1_SECRET: KEY,
        V2_SECRET: json.dumps(CLIENT),
        "my-custom-secret-name": KEY,
        "my_Secret-Key": "old",
        "developer-key": "key",
    }
    account.serve(
        SHOP,
        lambda request: as_json(
            {"signed": is_signed(request.headers["authorization"])}
            if request.path == "/signed"
            else {"orders": []}
        ),
    )
    account.serve_services(
        msgHist=lambda request: as_json(
            SESSION if b'"attributes"' in request.body else CONVERSATION,
            status=200 if request.path.startswith(SEARCH) else 404,
        ),
        sentinel=lambda _: TOKEN,
        smt=lambda _: Answer(200),
        swift=lambda _: Answer(200, {"x-auth-token": "st"}),
    )
    namespace = {"name": "orders", "createdAt": "2024-07-01T12:00:00+00:00"}
    account.answers = {
        "context.createNamespace": namespace,
        "context.getListOfNamespaces": [namespace],
        "context.setPropertiesInNamespace": {"last": "o-1"},
        "context.updatePropertiesInNamespace": {"last": "o-1"},
        "context.getProperties": {"last": "o-1"},
        "orchestrator.invoke": lambda asked: {
            "uuid": asked["uuid"],
            "statusCode": 200,
            "headers": {},
            "body": {"asked": asked["payload"]},
        },
    }
    return account


def is_signed(authorization: str) -> bool:
    """Whether the example's own signature is right. Source: RFC 5849 §3.4."""
    header = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', authorization)}
    signature = header.pop("oauth_signature")
    fields = "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(header.items()))
    base = "&".join(quote(part, safe="~") for part in ("POST", f"http://{SHOP}/signed", fields))
    made = hmac.new(b"cs&ts", base.encode(), hashlib.sha1).digest()
    return base64.b64encode(made).decode() == signature


@pytest.mark.parametrize("name", V1_EXAMPLES)
def test_an_example_of_the_first_generation_runs(shop: Account, name: str) -> None:
    check(shop, *V1_EXAMPLES[name])


@pytest.mark.parametrize("name", V2_EXAMPLES)
def test_an_example_of_the_second_generation_runs(shop: Account, name: str) -> None:
    check(shop, *V2_EXAMPLES[name])


def check(shop: Account, source: str, expected: Any) -> None:
    result = shop.run_source(source, {"payload": {"uuid": FUNCTION}, "headers": []})

    assert result.failure is None
    assert result.outcome == Outcome.SUCCEEDED
    assert result.value == expected
