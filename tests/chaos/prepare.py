"""Run by `manage.py shell` of the product under test: accounts, doors and functions."""

import json
import sys

from functions import deploying
from functions import services as functions
from houston import connecting, services
from houston.management.commands import run
from houston.views.way_in import webhook_url
from invoker.models import Platform

ACCOUNTS = ("chaos1", "chaos2")
BY = "chaos"
# One answers with a message and takes its time, one with a message and a transfer, one throws at
# once, one closes after a while, one wants silence. Each says which event it was.
FUNCTIONS = {
    "new_conversation": """
async function lambda(input) {
  await new Promise((done) => setTimeout(done, 150));
  return { type: "systemMessage", text: "greets " + input.payload.general.dialogId };
}
""",
    "conversation_routing": """
async function lambda(input) {
  const text = "moves " + input.payload.general.dialogId;
  return [{ type: "transfer", skillId: "77" }, { type: "systemMessage", text }];
}
""",
    "participants_change": """
function lambda(input, callback) {
  throw new Error("fails for " + input.payload.general.dialogId);
}
""",
    "ttr": """
async function lambda(input) {
  await new Promise((done) => setTimeout(done, 400));
  const text = "closes " + input.payload.general.dialogId;
  return [{ type: "systemMessage", text }, { type: "closeConversation" }];
}
""",
    "conversation_end": """
function lambda(input, callback) {
  callback(null, [{ type: "systemMessage", text: "" }]);
}
""",
}


def main() -> None:
    callback_url = json.loads(sys.stdin.read())["callback_url"]
    doors = []
    for account_id in ACCOUNTS:
        account = services.create_account(account_id, name=account_id, by=BY)
        way = connecting.NewConnection(
            platform=Platform.GENERIC, name="Platform", callback_url=callback_url
        )
        connection = services.set_up_controller_bot(account, way, by=BY)
        services.enable_functions(account, by=BY)
        for word, code in FUNCTIONS.items():
            function = functions.create(
                account_id,
                name=word,
                description="Of the chaos test",
                event_type=f"controllerbot_messaging_{word}",
                by=BY,
                code=code,
            )
            deploying.deploy(function, version=function.version, by=BY)
        doors.append(
            {
                "account_id": account_id,
                "webhook_url": webhook_url(connection),
                "signing_secret": connection.signing_secret,
                "callback_secret": connection.callback_secret,
            }
        )
    sys.stdout.write(json.dumps({"doors": doors, "processes": run.processes()}) + "\n")
