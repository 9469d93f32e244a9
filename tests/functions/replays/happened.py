"""A function with a live version and a draft, and events that really happened to it."""

from functions import replays, services
from invoker.models import CommandState, Event, EventState, InvocationState
from tests import factories

EVENT = "controllerbot_messaging_new_conversation"
SAYS = """function lambda(input, callback) {{
  callback(null, [{{ type: "systemMessage", text: "{0}" }}]);
}}
"""
FETCHES = """async function lambda(input) {
  await fetch("https://example.com/");
  return [];
}
"""
LOOPS = "function lambda(input, callback) { while (true) {} }\n"
FAILS = "function lambda(input, callback) { input.nothing.at.all; }\n"


def live_and_draft(live, draft, **fields):
    """`greet` serves `live` and has `draft` as its version 2."""
    fields = {"name": "greet", "event_type": EVENT, "code": live, **fields}
    return save(factories.deployed(**fields), draft)


def save(function, draft):
    services.save_draft(
        function,
        version=function.version,
        code=draft,
        description=function.description,
        environment=function.environment,
        by="dana",
    )
    return function


def happened(text=None, *, function=None, became=CommandState.SENT, **fields):
    """An event that is over. With a text it is what `function` said, in what served of it."""
    conversation = fields.pop("conversation", None) or factories.ConversationFactory(
        account_id=factories.ACCOUNT_ID
    )
    fields = {"state": EventState.DONE, **fields}
    event = factories.EventFactory(conversation=conversation, **fields)
    if text is not None:
        ran(event, function, [{"type": "systemMessage", "text": text}], became=became)
    return event


def ran(event, function, asked, *, became=CommandState.SENT, **fields):
    """What `function` served gave for an event, and what became of the commands."""
    run = factories.InvocationFactory(
        event=event,
        deployment=function.deployment,
        result=asked,
        outcome=fields.pop("outcome", InvocationState.SUCCEEDED),
        **fields,
    )
    Event.objects.filter(pk=event.pk).update(function_id=function.pk)
    for position, one in enumerate(asked or []):
        fields_of = {key: value for key, value in one.items() if key != "type"}
        factories.CommandFactory(
            event=event,
            invocation=run,
            type=one["type"],
            fields=fields_of,
            position=position,
            state=became,
        )
    return run


def automatic(event, text):
    """The account's own message went out."""
    return factories.CommandFactory(
        event=event, invocation=None, fields={"text": text}, state=CommandState.SENT
    )


def last(function, most=20, **fields):
    return replays.Choice(
        account_id=function.account_id,
        events=replays.of_type(function),
        function=function,
        most=most,
        listening=True,
        **fields,
    )


def rows(choice):
    return replays.next_slice(choice).rows


def codes(row):
    return [each.code for each in row.differences]
