"""What the clients find in the running product: run inside it by `manage.py shell`."""

import json
from typing import Any

from functions import deploying
from functions import services as functions
from functions.models import Function
from houston import api_clients, auth, services
from houston.connecting import NewConnection
from houston.models import Account, ApiClient, Role, Scope, User
from invoker import runtime, vault
from invoker.models import Platform

# Digits only, as the vendor's are: letters send its clients to other service directories.
ACCOUNT_ID = "12345678"
EMPTY_ACCOUNT_ID = "87654321"
V2_ACCOUNT_ID = "23456789"
PERSON = "lovell"
PASSWORD = "apollo-11-moon"
SECRET = "nobody-reads-this-by-the-command-line"
TTR = "controllerbot_messaging_ttr"
COMMAND = "conversational_command"

ANSWER = """
function lambda(input, callback) {
  const { want } = input.payload;
  console.info("asked", want);
  if (want === "text") callback(null, 'said "so"');
  if (want === "input") callback(null, input);
  if (want === "nothing") callback();
  if (want === "error") callback(new Error("out of stock"));
  if (want === "bug") input.missing.field;
}
"""
ECHO = """
function lambda(input, callback) {
  if (input.payload.arguments?.[0] === "fail") throw new Error("no such command");
  callback(null, input.payload);
}
"""


def main(callback_url: str) -> None:
    """Make it and print what the tests have to know."""
    account = services.create_account(ACCOUNT_ID, name="Contract", by="team")
    empty = services.create_account(EMPTY_ACCOUNT_ID, name="Empty", by="team")
    of_v2 = services.create_account(V2_ACCOUNT_ID, name="Of V2", by="team")
    person = User.objects.create_user(PERSON, password=PASSWORD)
    tokens = {}
    # She administers the account and develops nothing.
    admin = User.objects.create_user("glynn", password=PASSWORD)
    services.let_in(account, admin, {Role.ADMIN})
    for one in (account, empty, of_v2):
        services.let_in(one, person, {Role.ADMIN, Role.DEVELOPER})
        tokens[one.pk] = auth.login_token(auth.log_in(person, one))
    way = NewConnection(platform=Platform.GENERIC, name="Generic", callback_url=callback_url)
    door = services.set_up_controller_bot(account, way, by="team")
    services.enable_functions(account, by="team")
    vault.add(ACCOUNT_ID, key="crm", value=SECRET, by=PERSON)
    client, client_secret = _client(account, "Caller")
    revoked, _ = _client(account, "Revoked")
    revoked_token = auth.client_token(revoked, revoked.scopes)
    api_clients.revoke(revoked, by="team")
    print(  # noqa: T201
        json.dumps(
            {
                "functions": _functions(),
                "client": {"clientId": str(client.pk), "clientSecret": client_secret},
                "tokens": tokens,
                "admin_token": auth.login_token(auth.log_in(admin, account)),
                "revoked_token": revoked_token,
                "user_id": str(person.pk),
                "door": {
                    "path": f"/events/{door.pk}",
                    "signing_secret": door.signing_secret,
                    "callback_secret": door.callback_secret,
                },
            }
        )
    )
    runtime.close()


def _client(account: Account, name: str) -> tuple[ApiClient, str]:
    return api_clients.create(account, name=name, scopes=[Scope.INVOCATION], by="team")


def _functions() -> dict[str, str]:
    made = {
        "answer": _function("answer", ANSWER),
        "ttr_42": _function("ttr_42", ECHO, event_type=TTR, skills=["42"]),
        "ttr_43": _function("ttr_43", ECHO, event_type=TTR, skills=["43"]),
        "echo": _function("echo", ECHO, event_type=COMMAND),
        "echo_too": _function("echo_too", ECHO, event_type=COMMAND),
    }
    for function in made.values():
        deploying.deploy(function, version=function.version, by=PERSON)
    made["draft"] = _function("draft", ECHO)
    return {name: str(function.pk) for name, function in made.items()}


def _function(name: str, code: str, *, event_type: str = "", **more: Any) -> Function:
    return functions.create(
        ACCOUNT_ID,
        name=name,
        description=f"For tests: {name}",
        event_type=event_type,
        code=code.lstrip(),
        by=PERSON,
        **more,
    )
