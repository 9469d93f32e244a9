"""A function for each of the seven events, made in the running product by `manage.py shell`."""

from functions import deploying, services
from functions.models import Function
from invoker import runtime

ACCOUNT_ID = "demo1"
EVENTS = ("ttr", "participants_change", "conversation_idle", "conversation_routing",
          "mid_conversation_msg", "conversation_end")  # fmt: skip
"""Those beside the new conversation, which the demo's own function answers."""


def says(text: str) -> str:
    return (
        "function lambda(input, callback) {\n"
        f'  callback(null, {{ type: "systemMessage", text: "{text}" }});\n'
        "}\n"
    )


def make() -> None:
    for event in EVENTS:
        function = services.create(
            ACCOUNT_ID,
            name=f"on_{event}",
            description=f"Answers {event}",
            event_type=f"controllerbot_messaging_{event}",
            by="demo",
            code=says(f"The function of {event} was here"),
        )
        deploying.deploy(function, version=function.version, by="demo")
    runtime.close()


def change(event: str, text: str) -> None:
    function = Function.objects.get(account_id=ACCOUNT_ID, name=f"on_{event}")
    services.save_parts(function, code=says(text), by="demo")
    function.refresh_from_db()
    deploying.deploy(function, version=function.version, by="demo")
    runtime.close()
