"""What the editor knows of the modules that functions may require, against what they are."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from deno import find_deno_bin

from invoker.runtime.dependencies import dependencies
from tests.invoker import sandboxes

pytestmark = pytest.mark.runtime

CHECKER = Path(__file__).parent / "check_types.mjs"
V1, V2 = "lp-faas-toolbelt", "core-functions-toolbelt"

# Functions as people write them, one a client; nothing in them is a mistake.
RIGHT = {
    "http.js": """
        const { Toolbelt } = require("lp-faas-toolbelt");
        async function lambda(input, callback) {
          const httpClient = Toolbelt.HTTPClient();
          const { statusCode, body } = await httpClient("https://shop.example/orders", {
            method: "POST", headers: { Accept: "application/json" }, body: { id: 1 }, json: true,
            simple: false, resolveWithFullResponse: true,
          });
          const orders = await httpClient.get({ uri: "https://shop.example", qs: { page: 2 } });
          callback(null, [statusCode, body, orders]);
        }""",
    "secrets.js": """
        const { Toolbelt, SecretError, ErrorCodes } = require("lp-faas-toolbelt");
        async function lambda(input, callback) {
          const secretClient = Toolbelt.SecretClient();
          try {
            const secret = await secretClient.readSecret("token");
            secret.value = { refreshed: Date.now() };
            callback(null, await secretClient.updateSecret(secret));
          } catch (error) {
            const isMissing = error.code === ErrorCodes.Secret.NotFound;
            callback(error instanceof SecretError && isMissing ? null : error);
          }
        }""",
    "conversation.js": """
        const {
          Toolbelt, ConversationContentTypes, SDETypes, LpServices, ErrorStrategy,
        } = require("lp-faas-toolbelt");
        async function lambda(input, callback) {
          const util = Toolbelt.ConversationUtil();
          const conversation = await util.getConversationById(input.payload.conversationId, [
            ConversationContentTypes.SDES, "messageRecords",
          ]);
          const [first] = util.scanConversationForKeywords(conversation, ["refund"]);
          const { sdes } = Toolbelt.SDEUtil().getSDEsFromConv(conversation);
          await Toolbelt.SDEUtil().addSDEs([{ type: SDETypes.LEAD, lead: {} }], "v", "s");
          await Toolbelt.GDPRUtil().replaceConversationFiles(
            conversation, { username: "u", password: "p" }, (path) => path.endsWith(".pdf"),
            { body: Buffer.from("", "base64"), contentType: "image/png" },
          );
          await Toolbelt.LpClient()(LpServices.AUDITLOG, "/x", {
            json: true, appKeySecretName: "k",
          });
          const results = await Toolbelt.OrchestratorClient().invoke(
            [{ uuid: "f-1", payload: {}, retries: 1, retryFunction: (status) => status === 500 }],
            10000, { invokeParallel: true, errorStrategy: ErrorStrategy.CONTINUE_ON_ERROR },
          );
          callback(null, [first.tag, sdes.events.at(-1)?.sdeType, results[0].error?.message]);
        }""",
    "context.js": """
        const { Toolbelt } = require("lp-faas-toolbelt");
        async function lambda(input, callback) {
          const accountId = process.env.BRAND_ID ?? "";
          const client = Toolbelt.ContextServiceClient({ apiKey: "k", accountId });
          await client.createNamespace("orders", { ttl: 120 });
          await client.setPropertiesInNamespace("orders", { id: 1 }, "s-1");
          callback(null, await client.getPropertyInSession("orders", "id", "s-1"));
        }""",
    "second.js": """
        import {
          Toolbelt, ToolBeltError, ErrorCodes, LpServices, globalSecretCache,
        } from "core-functions-toolbelt";
        import { chunk } from "es-toolkit";
        export async function lambda(input) {
          globalSecretCache.clear();
          const { value } = await Toolbelt.SecretClient({ cache: { ttl: 1000 } })
            .readSecret("cert", { useCache: false, timeout: 100 });
          try {
            const response = await Toolbelt.LpClient()(LpServices.MSG_HIST, "/x", {
              method: "POST", body: JSON.stringify(chunk([1], 1)),
            });
            const mtls = Toolbelt.MTLSClient({ cert: value, key: value, ca: value });
            const { statusCode, body } = await mtls.put("https://bank.example", {}, null, {
              json: true, timeout: 100, allowSelfSigned: true,
            });
            await Toolbelt.LPMtlsClient().post("https://bank.example", {}, { a: 1 });
            const hosts = await Toolbelt.CsdsClient().getAll();
            await Toolbelt.ContextServiceClient("key").getListOfNamespaces();
            Toolbelt.SFClient().connectToSalesforce({ accessToken: "t" });
            return [response.ok, statusCode, body, hosts];
          } catch (error) {
            if (error instanceof ToolBeltError && error.code === ErrorCodes.Mtls.Timeout) return [];
            throw error;
          }
        }""",
}

# What is a mistake, and the words that the editor finds for it.
WRONG = {
    "wrong-0.js": ('require("lp-faas-toolbelt").Toolbelt.HttpClient();', "HttpClient"),
    "wrong-1.js": ('require("lp-faas-toolbelt").Toolbelt.LPMtlsClient();', "LPMtlsClient"),
    "wrong-2.js": ('require("core-functions-toolbelt").Toolbelt.HTTPClient();', "HTTPClient"),
    "wrong-3.js": ('require("lp-faas-toolbelt").LpServices.MSGHIST;', "MSGHIST"),
    "wrong-4.js": ('require("left-pad");', "left-pad"),
}


@cache
def checked() -> dict[str, Any]:
    wrong = {name: source for name, (source, _) in WRONG.items()}
    requiring = "".join(f"require({dependency.name!r});\n" for dependency in dependencies())
    asked = {"sources": {**RIGHT, **wrong, "requires.js": requiring}, "modules": [V1, V2]}
    answer = subprocess.run(
        [find_deno_bin(), "run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", CHECKER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def problems_in(*names: str) -> list[str]:
    return [found for found in checked()["problems"] if found.partition(":")[0] in names]


def test_declarations_hold_together() -> None:
    assert problems_in("runtime.d.ts") == []


def test_documented_ways_are_no_mistakes() -> None:
    assert problems_in(*RIGHT) == []


def test_everything_that_can_be_required_is_known() -> None:
    assert problems_in("requires.js") == []


@pytest.mark.parametrize("name", WRONG)
def test_names_that_are_not_there_are_mistakes(name: str) -> None:
    [problem] = problems_in(name)

    assert WRONG[name][1] in problem


@pytest.mark.parametrize("module", [V1, V2])
def test_declared_names_are_those_that_are_there(module: str) -> None:
    source = f'const all = require("{module}");\n' + sandboxes.calls_back(
        "[Object.keys(all), Object.keys(all.Toolbelt)]"
    )

    exports, clients = sandboxes.run(source).value

    assert sorted(exports) == sorted(checked()["exports"][module])
    assert sorted(clients) == sorted(checked()["clients"][module])
