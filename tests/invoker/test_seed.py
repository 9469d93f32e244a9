"""Every sentence of the source document on events and callback commands, and a test named after it.

Each test sends what a platform would send, through the webhook door, to a deployed function in a
real sandbox, and looks at what arrives at the callback URL.
"""

import datetime as dt
import json
from typing import Any

import pytest
from django.utils import timezone

from functions import deploying, gallery, services
from houston.models import Account
from invoker import dispatch, events, hours
from invoker.models import (
    AutomaticMessage,
    Command,
    Connection,
    Conversation,
    Event,
    Invocation,
    OfficeHours,
)
from tests import factories
from tests.conftest import CallbackServer
from tests.invoker import senders

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

SAYS_SUBTYPE = (
    "function lambda(input, callback) { callback(null, {type: 'systemMessage',"
    " text: input.payload.general.cbotEventType}); }"
)
CORE = [each.id for each in events.EVENT_TYPES.values() if each.core]
MESSAGE = {"type": "systemMessage", "text": "your message"}
TRANSFER = {"type": "transfer", "skillId": "123456"}
CLOSE = {"type": "closeConversation"}


class Talk:
    """A conversation of the Generic platform, as its platform tells of it."""

    def __init__(self, connection: Connection, server: CallbackServer, *, age_ms: int = 0) -> None:
        self.connection = connection
        self.server = server
        self.at = senders.now_ms() - age_ms
        self.lines = 0
        self.facts: dict[str, Any] = {
            "startTs": self.at,
            "firstConversation": False,
            "participants": [senders.CONSUMER],
        }

    def tell(self, **facts: Any) -> "Talk":
        """Say how the conversation is now, and let the controller bot work."""
        self.facts |= facts
        self.at += 1
        senders.post(self.connection, senders.updated(at=self.at, **self.facts))
        return self.work()

    def write(self, role: str = "CONSUMER", **facts: Any) -> "Talk":
        senders.post(self.connection, senders.line(sequence=self.lines, role=role, **facts))
        self.lines += 1
        return self.work()

    def work(self) -> "Talk":
        Conversation.objects.update(due_at=timezone.now())
        dispatch.drain(Conversation.objects.get().pk)
        return self

    @property
    def carried_out(self) -> list[dict[str, Any]]:
        return [json.loads(one.body)["data"]["command"] for one in self.server.requests]

    @property
    def said(self) -> list[str]:
        return [one["text"] for one in self.carried_out if one["type"] == "systemMessage"]


@pytest.fixture
def connection(account: Account, callback_server: CallbackServer) -> Connection:
    AutomaticMessage.objects.update(enabled=False)
    return factories.ConnectionFactory(callback_url=callback_server.url)


@pytest.fixture
def talk(connection: Connection, callback_server: CallbackServer) -> Talk:
    return Talk(connection, callback_server)


def deploy(event_type: str, source: str = SAYS_SUBTYPE) -> None:
    factories.DeploymentFactory(code=source, event_type=event_type, function_name="f")


def returns(value: Any) -> str:
    return f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}"


# Functions are invoked from messaging events ------------------------------------------------------


def test_you_are_able_to_invoke_functions_from_standard_messaging_events(talk: Talk) -> None:
    """For example, a new conversation start event could be chosen as the trigger."""
    deploy(events.NEW_CONVERSATION.id)

    talk.tell()

    assert talk.said == ["CONSUMER_OPEN_NEW_CONVERSATION"]


def test_along_with_the_invocation_the_function_is_sent_a_payload_on_the_conversation(
    talk: Talk,
) -> None:
    deploy(
        events.NEW_CONVERSATION.id,
        "function lambda(input, callback) { callback(null, {type: 'systemMessage',"
        " text: JSON.stringify(input.payload)}); }",
    )

    talk.tell(context={"type": "SharkContext", "lang": "de-DE", "sessionId": "s-1"})

    payload = json.loads(talk.said[0])
    assert list(payload) == [
        "general", "start", "end", "ttr", "routing", "participantChange", "mid", "idle",
    ]  # fmt: skip
    assert payload["general"]["convId"] == "c-1"
    assert payload["general"]["clientLanguage"] == "de-DE"
    assert payload["participantChange"]["newParticipants"] == [senders.CONSUMER]


def test_this_payload_can_be_used_in_the_function_for_further_processing(talk: Talk) -> None:
    deploy(
        events.NEW_CONVERSATION.id,
        "function lambda(input, callback) { const {routing} = input.payload;"
        " callback(null, routing.newSkillId === '42'"
        " ? {type: 'transfer', skillId: '7'} : {type: 'closeConversation'}); }",
    )

    talk.tell(skillId="42")

    assert talk.carried_out == [{"type": "transfer", "skillId": "7"}]


# The seven conversation state change events -------------------------------------------------------


def test_conversation_state_change_events_are_these_seven() -> None:
    assert [
        events.NEW_CONVERSATION.id,
        events.TTR.id,
        events.PARTICIPANTS_CHANGE.id,
        events.CONVERSATION_IDLE.id,
        events.CONVERSATION_ROUTING.id,
        events.LINE_IN_OFF_HOURS.id,
        events.CONVERSATION_END.id,
    ] == CORE


def test_new_conversation_is_fired_when_a_consumer_initiates_a_new_conversation(
    talk: Talk,
) -> None:
    deploy(events.NEW_CONVERSATION.id)

    talk.tell(firstConversation=True).tell().tell()

    assert talk.said == ["CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME"]


def test_ttr_is_fired_by_the_consumer_when_they_mark_the_conversation_as_urgent_or_unmark_it(
    talk: Talk,
) -> None:
    deploy(events.TTR.id)

    talk.tell().tell(ttr={"ttrType": "URGENT", "value": 300})
    talk.tell(ttr={"ttrType": "NORMAL", "value": 600})

    assert talk.said == [
        "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
        "CONSUMER_CANCELED_URGENT_RESPONSE_TIME",
    ]


def test_ttr_is_fired_by_the_agent_when_they_change_the_ttr(talk: Talk) -> None:
    deploy(events.TTR.id)

    talk.tell().tell(manualETTR=senders.now_ms() + 600_000)
    talk.tell(ttr={"ttrType": "CUSTOM", "value": 60})

    assert talk.said == ["AGENT_UPDATED_RESPONSE_TIME", "AGENT_UPDATED_RESPONSE_TIME"]


HELPER = {"id": "agent-2", "role": "AGENT"}
FRIEND = {"id": "consumer-2", "role": "CONSUMER"}


@pytest.mark.parametrize(
    ("before", "after", "subtype"),
    [
        ([], [senders.AGENT], "YOU_ARE_CONNECTED_TO"),
        ([senders.AGENT], [], "BACK_TO_QUEUE"),
        ([senders.AGENT], [senders.AGENT, HELPER], "ANOTHER_AGENT_JOINED_CONVERSATION"),
        ([senders.AGENT, HELPER], [senders.AGENT], "JOINED_AGENT_LEFT_CONVERSATION"),
        ([], [FRIEND], "CONSUMER_JOINED_CONVERSATION"),
        ([FRIEND], [], "CONSUMER_LEFT_CONVERSATION"),
    ],
)
def test_participants_change_is_fired_if_an_agent_or_a_consumer_joins_or_leaves(
    talk: Talk,
    before: list[dict[str, str]],
    after: list[dict[str, str]],
    subtype: str,
) -> None:
    talk.tell(participants=[senders.CONSUMER, *before])
    deploy(events.PARTICIPANTS_CHANGE.id)

    talk.tell(participants=[senders.CONSUMER, *after])

    assert talk.said == [subtype]


@pytest.mark.parametrize(
    ("subtype", "assigned", "writer"),
    [
        ("AGENT_NON_RESPONSIVE", [senders.AGENT], "CONSUMER"),
        ("CONSUMER_NON_RESPONSIVE", [senders.AGENT], "ASSIGNED_AGENT"),
    ],
)
def test_idle_is_fired_if_a_consumer_or_agent_did_not_respond_within_the_configured_idle_time(
    connection: Connection,
    callback_server: CallbackServer,
    subtype: str,
    assigned: list[dict[str, str]],
    writer: str,
) -> None:
    deploy(events.CONVERSATION_IDLE.id)
    own = AutomaticMessage.objects.filter(subtype=subtype)
    talk = Talk(connection, callback_server, age_ms=20_000)
    talk.tell(participants=[senders.CONSUMER, *assigned])

    talk.write(writer, at=talk.at)
    own.update(timer_s=60)
    talk.work()
    assert talk.said == []

    own.update(timer_s=15)
    talk.work()
    assert talk.said == [subtype]


def test_routing_is_fired_if_the_conversation_is_routed_to_a_different_skill(talk: Talk) -> None:
    deploy(events.CONVERSATION_ROUTING.id)

    talk.tell(skillId="42").tell(skillId="42").tell(skillId="7")

    assert talk.said == ["ENGAGEMENT_TRANSFERED"]


def test_off_hours_is_fired_if_a_consumer_writes_in_off_hours_what_was_opened_in_office_hours(
    talk: Talk,
) -> None:
    deploy(events.LINE_IN_OFF_HOURS.id)
    talk.tell().write()
    assert talk.said == []

    now = timezone.now()
    OfficeHours.objects.update_or_create(
        account_id=factories.ACCOUNT_ID,
        is_default=True,
        defaults={
            "name": "Main",
            "workdays": hours.all_week("UTC"),
            "off_since": now,
            "off_until": now + dt.timedelta(hours=1),
        },
    )
    talk.write(at=senders.now_ms() + 1)

    assert talk.said == ["CONSUMER_SEND_MESSAGE_ON_OFFHOURS"]
    payload = Event.objects.get(type=events.LINE_IN_OFF_HOURS.id).payload
    assert payload["mid"] == {"openedInOffHours": False}
    assert payload["general"]["inOffHours"] is True


@pytest.mark.parametrize("reason", ["AGENT", "CONSUMER", "SYSTEM"])
def test_end_is_fired_when_a_conversation_is_closed(talk: Talk, reason: str) -> None:
    deploy(events.CONVERSATION_END.id)

    talk.tell().tell(state="CLOSE", closeReason=reason)

    assert talk.said == [f"{reason}_END_CONVERSATION"]


@pytest.mark.parametrize("result", [None, [], TRANSFER])
def test_if_no_system_message_is_set_the_default_automatic_message_will_be_triggered(
    talk: Talk, result: Any
) -> None:
    AutomaticMessage.objects.update(enabled=True)
    deploy(events.NEW_CONVERSATION.id, returns(result))

    talk.tell()

    assert talk.carried_out[0]["type"] == "systemMessage"
    assert Command.objects.get(type="systemMessage").is_default


# Callback commands --------------------------------------------------------------------------------


def test_you_have_the_option_to_send_callback_commands_back_to_the_invoker(talk: Talk) -> None:
    deploy(events.NEW_CONVERSATION.id, returns(MESSAGE))

    talk.tell()

    assert talk.carried_out == [MESSAGE]


def test_service_that_invokes_the_functions_is_the_controller_bot(talk: Talk) -> None:
    """A worker of the controller bot runs the function; the door that took the event does not."""
    deploy(events.NEW_CONVERSATION.id)

    senders.post(talk.connection, senders.updated())
    assert not Invocation.objects.exists()

    dispatch.drain(Conversation.objects.get().pk)
    assert Invocation.objects.get().event == Event.objects.get()


def test_this_service_is_also_responsible_for_sending_system_messages_into_the_conversation(
    talk: Talk,
) -> None:
    AutomaticMessage.objects.update(enabled=True)

    talk.tell()

    assert [one["type"] for one in talk.carried_out] == ["systemMessage"]
    body = json.loads(talk.server.requests[0].body)
    assert body["data"]["conversationId"] == "c-1"


@pytest.mark.parametrize("result", [MESSAGE, [MESSAGE], [MESSAGE, TRANSFER]])
def test_functions_can_return_an_array_or_a_single_object(talk: Talk, result: Any) -> None:
    deploy(events.NEW_CONVERSATION.id, returns(result))

    talk.tell()

    assert talk.carried_out == (result if isinstance(result, list) else [result])


@pytest.mark.parametrize("event_type", CORE[:1])
@pytest.mark.parametrize("command", [MESSAGE, TRANSFER, CLOSE])
def test_send_a_system_message_transfer_to_a_different_skill_close_the_conversation(
    talk: Talk, event_type: str, command: dict[str, str]
) -> None:
    deploy(event_type, returns(command))

    talk.tell()

    assert talk.carried_out == [command]


def test_using_callback_commands_is_not_mandatory(talk: Talk) -> None:
    deploy(
        events.NEW_CONVERSATION.id,
        "function lambda(input, callback) { console.info('seen'); callback(); }",
    )

    talk.tell()

    assert talk.carried_out == []
    invocation = Invocation.objects.get()
    assert invocation.outcome == "SUCCEEDED"
    assert invocation.log_lines.get().message == "seen"


def test_of_several_commands_of_a_type_only_the_first_will_be_processed(talk: Talk) -> None:
    second = {"type": "systemMessage", "text": "second"}
    deploy(events.NEW_CONVERSATION.id, returns([MESSAGE, second, TRANSFER, TRANSFER]))

    talk.tell()

    assert talk.carried_out == [MESSAGE, TRANSFER]


def test_slow_participants_change_function_does_not_speak_after_the_agent_already_responded(
    talk: Talk,
) -> None:
    deploy(events.PARTICIPANTS_CHANGE.id)
    talk.tell()
    talk.facts["participants"] = [senders.CONSUMER, senders.AGENT]
    senders.post(talk.connection, senders.updated(at=talk.at + 1, **talk.facts))
    senders.post(talk.connection, senders.line(role="ASSIGNED_AGENT", at=talk.at + 2))

    talk.work()

    assert talk.said == []
    assert Command.objects.get(state="stale").reason == "agent-spoke"


# The steps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", CORE)
def test_create_a_new_function_using_one_of_the_messaging_templates(
    account: Account, event_type: str
) -> None:
    template = next(each for each in gallery.load() if each.event_type == event_type)

    function = services.create(
        account.id, name="mine", description="d", event_type=event_type, by="dora",
        template=template,
    )  # fmt: skip

    assert function.code == template.source


def test_only_one_function_per_template_type_can_be_created(account: Account) -> None:
    facts = {"description": "d", "event_type": events.TTR.id, "by": "dora", "code": SAYS_SUBTYPE}
    services.create(account.id, name="one", **facts)

    with pytest.raises(services.EventTakenError):
        services.create(account.id, name="two", **facts)


def test_example_of_a_response_sent_back_to_the_invoker_using_a_few_of_those_commands(
    talk: Talk,
) -> None:
    deploy(
        events.NEW_CONVERSATION.id,
        """function lambda(input, callback) {
  let result = [
     {
         type: "systemMessage", // Returns a system message into the conversation
         text: "your message"
     },
     {
         type: "transfer", // Transfers the conversation to a new skill
         skillId: "123456"
     },
     {
         type: "closeConversation" // Closes the conversation
     }
  ]
  callback(null, result);
}
""",
    )

    talk.tell()

    assert talk.carried_out == [MESSAGE, TRANSFER, CLOSE]


def test_function_must_be_deployed_before_it_can_be_used(talk: Talk, account: Account) -> None:
    function = services.create(
        account.id, name="mine", description="d", event_type=events.CONVERSATION_ROUTING.id,
        by="dora", code=SAYS_SUBTYPE,
    )  # fmt: skip
    talk.tell(skillId="1").tell(skillId="2")
    assert talk.said == []

    deploying.deploy(function, version=function.version, by="dora")
    talk.tell(skillId="3")

    assert talk.said == ["ENGAGEMENT_TRANSFERED"]
