"""What the tests ask of liveperson-functions-client, and in which ways."""

import json
import uuid
from typing import Any

from tests.contract.conftest import HERE, Account, Way
from tests.contract.prepared import ACCOUNT_ID, COMMAND, EMPTY_ACCOUNT_ID, TTR

UNCHANGED, BY_OPTIONS = "unchanged", "by_options"
NOBODY = str(uuid.UUID(int=0))
REQUEST_ID = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d"
PAYLOAD = {"want": "input", "deep": [1, None, {"text": "é"}]}
EVENT = {"arguments": ["order", "7"]}
NO_FUNCTION = "controllerbot_messaging_conversation_routing"
TOO_MUCH = "x" * 3 * 1024 * 1024
# These are about who asks for a token, and take a while.
ONLY_UNCHANGED = {"wrong secret", "too much"}


def call(way: Way, account: Account, *, v2: bool) -> dict[tuple[str, str], dict[str, Any]]:
    """What came of every call, by the way of reaching the product and the name of the call."""
    wanted = {
        (name, each): {
            "client": {"accountId": ACCOUNT_ID, **config, **settings},
            "call": method,
            "args": args,
        }
        for name, config in _ways(way, account, v2=v2).items()
        for each, (method, args, settings) in _calls(account).items()
        if name == UNCHANGED or each not in ONLY_UNCHANGED
    }
    ran = way.run("node", HERE / "calls.mjs", given=json.dumps(list(wanted.values())))
    assert ran.returncode == 0, ran.stderr
    return dict(zip(wanted, json.loads(ran.stdout), strict=True))


def _ways(way: Way, account: Account, *, v2: bool) -> dict[str, dict[str, Any]]:
    """Code that knows nothing of us, and options that are in its documentation.

    Source: `liveperson-contract.md` §1.4, ways D and P.
    """
    host = f"127.0.0.1:{way.http_port}/"
    options = {
        "bearer": account.tokens[ACCOUNT_ID],
        "protocol": "http",
        "invokeUuidUri": f"{host}api/account/%s/lambdas/%s/invoke",
        "invokeEventUri": f"{host}api/account/%s/events/%s/invoke",
        "isImplementedUri": f"{host}api/account/%s/events/%s/isImplemented",
        "getLambdasUri": f"{host}api/account/%s/lambdas/",
        "getFunctionsUri": f"{host}api/account/%s/functions",
        "csds": "functions" if v2 else "",
    }
    return {
        UNCHANGED: {"authStrategy": account.client},
        BY_OPTIONS: {**options, "domain": ""} if v2 else options,
    }


def _calls(account: Account) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each call by a name: the method, what it is given, and settings of the client."""
    failing = {"failOnErrorStatusCode": True}
    no_cache = {"isImplementedCacheDurationInSeconds": 0}
    command = {"eventId": COMMAND}
    return {
        "text": ("invoke", _answer(account, "text"), {}),
        "input": (
            "invoke",
            {
                "lambdaUuid": account.functions["answer"],
                "lpEventSource": "tests",
                "requestId": REQUEST_ID,
                "body": {"headers": [{"key": "h", "value": "v"}], "payload": PAYLOAD},
            },
            {},
        ),
        "nothing": ("invoke", _answer(account, "nothing"), {}),
        "error": ("invoke", _answer(account, "error"), {}),
        "error thrown": ("invoke", _answer(account, "error"), failing),
        "error as V1": ("invoke", {**_answer(account, "error"), "v1CompError": True}, {}),
        "error thrown as V1": (
            "invoke",
            {**_answer(account, "error"), "v1CompError": True},
            failing,
        ),
        "bug thrown": ("invoke", _answer(account, "bug"), failing),
        "missing": ("invoke", _to(NOBODY), failing),
        "not deployed": ("invoke", _to(account.functions["draft"]), failing),
        "event": ("invoke", {**command, "body": {"payload": EVENT}}, {}),
        "event of skill": ("invoke", _ttr(skillId="42"), {}),
        "event of other skill": ("invoke", _ttr(skillId="7"), {}),
        "event of no skill": ("invoke", _ttr(), {}),
        "event without function": (
            "invoke",
            {"eventId": NO_FUNCTION, "body": {"payload": EVENT}},
            {},
        ),
        "event thrown": (
            "invoke",
            {**command, "body": {"payload": {"arguments": ["fail"]}}},
            failing,
        ),
        "implemented": ("isImplemented", command, no_cache),
        "implemented for skill": ("isImplemented", {"eventId": TTR, "skillId": "42"}, no_cache),
        "implemented for other skill": (
            "isImplemented",
            {"eventId": TTR, "skillId": "7"},
            no_cache,
        ),
        "implemented for no skill": ("isImplemented", {"eventId": TTR}, no_cache),
        "implemented by nobody": ("isImplemented", {"eventId": NO_FUNCTION}, no_cache),
        "lambdas": ("getLambdas", {"state": ["Productive", "Draft"], "userId": "u1"}, {}),
        "lambdas of event": ("getLambdas", {"eventId": TTR, "state": "Productive"}, {}),
        "functions": ("getFunctions", {"state": ["Draft", "Modified"], "userId": "u1"}, {}),
        "functions by name": ("getFunctions", {"functionName": "answer"}, {}),
        "too much": (
            "invoke",
            {**_to(account.functions["answer"]), "body": {"payload": TOO_MUCH}},
            {},
        ),
        "wrong secret": (
            "invoke",
            _answer(account, "text"),
            {"authStrategy": {**account.client, "clientSecret": "guessed"}},
        ),
        **_refused("bad token", account, {"bearer": "nobody.gave.this"}),
        **_refused("revoked token", account, {"bearer": account.revoked_token}),
        **_refused(
            "token of another account", account, {"bearer": account.tokens[EMPTY_ACCOUNT_ID]}
        ),
    }


def _answer(account: Account, want: str) -> dict[str, Any]:
    return {**_to(account.functions["answer"]), "body": {"payload": {"want": want}}}


def _to(function_id: str) -> dict[str, Any]:
    return {"lambdaUuid": function_id, "body": {"payload": {}}}


def _ttr(**skill: str) -> dict[str, Any]:
    return {"eventId": TTR, **skill, "body": {"payload": EVENT}}


def _refused(
    why: str, account: Account, settings: dict[str, Any]
) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every method, by somebody who may not."""
    settings = {**settings, "failOnErrorStatusCode": True}
    return {
        f"invoke with {why}": ("invoke", _answer(account, "text"), settings),
        f"isImplemented with {why}": ("isImplemented", {"eventId": COMMAND}, settings),
        f"getLambdas with {why}": ("getLambdas", {"state": ["Draft"]}, settings),
        f"getFunctions with {why}": ("getFunctions", {"state": ["Draft"]}, settings),
    }
