"""Commands by the bot's own socket: a worker hands them over, the platform gets them."""

import contextlib
import os
import socket
import struct
import threading
from typing import Any

import pytest
from cryptography.fernet import Fernet

from invoker.models import AgentSession, Command, CommandType, Connection
from invoker.platforms import PLATFORMS, DeliveryError
from invoker.platforms.liveperson import handover
from invoker.platforms.liveperson.handover import Door
from invoker.platforms.liveperson.ums import NoAnswerError, NotSentError
from tests import factories
from tests.liveperson.conftest import Start, eventually, is_connected
from tests.liveperson.ums import Conversation, Ums, User

pytestmark = pytest.mark.django_db(transaction=True)

UPDATE = ".ams.cm.UpdateConversationField"
PUBLISH = ".ams.ms.PublishEvent"


@pytest.fixture
def conversation(ums: Ums, start: Start) -> Conversation:
    """Open, with the bot in it."""
    start()
    assert eventually(is_connected)
    made = ums.open(text="hello", skill="100")
    assert eventually(lambda: made.member(ums.bot))
    ums.frames.clear()
    return made


def assign(conversation: Conversation, agent: User) -> None:
    """An agent takes the conversation, and the bot has heard of it."""
    heard = Connection.objects.get().notifications
    before = heard.count()
    conversation.assign(agent)
    assert eventually(lambda: heard.count() > before)


def command(conversation: Conversation, kind: str, **fields: str) -> Command:
    connection = Connection.objects.get()
    row, _ = connection.conversations.get_or_create(
        conv_id=conversation.id, account_id=connection.account_id
    )
    event = factories.EventFactory(
        conversation=row, payload={"general": {"dialogId": conversation.id}}
    )
    return factories.CommandFactory(event=event, type=kind, fields=fields)


def deliver(conversation: Conversation, kind: str, **fields: str) -> str:
    connection = Connection.objects.get()
    return PLATFORMS[connection.platform].deliver(connection, command(conversation, kind, **fields))


def failure(conversation: Conversation, kind: str, **fields: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        deliver(conversation, kind, **fields)
    return caught.value


def updates(ums: Ums) -> list[list[dict[str, Any]]]:
    return [one["body"]["conversationField"] for one in ums.sent_by(ums.bot, UPDATE)]


def removal(user_id: str) -> dict[str, str]:
    return {
        "field": "ParticipantsChange",
        "type": "REMOVE",
        "role": "ASSIGNED_AGENT",
        "userId": user_id,
    }


def routing(skill: str) -> dict[str, str]:
    return {"field": "Skill", "type": "UPDATE", "skill": skill}


# Messages -----------------------------------------------------------------------------------------


def test_message_is_published_by_the_bot(ums: Ums, conversation: Conversation) -> None:
    said = deliver(conversation, CommandType.MESSAGE, text="Welcome, José 👋")

    assert said == "Published as message 1"
    assert conversation.texts == [("consumer-1", "hello"), ("houston-bot", "Welcome, José 👋")]
    assert not updates(ums)


def test_message_of_a_bot_that_was_sent_away_is_published_after_joining_again(
    ums: Ums, conversation: Conversation
) -> None:
    conversation.leaves(ums.bot)

    deliver(conversation, CommandType.MESSAGE, text="Welcome")

    assert conversation.texts[-1] == ("houston-bot", "Welcome")
    assert conversation.member(ums.bot, "MANAGER")
    assert len(updates(ums)) == 1


def test_message_to_a_conversation_that_was_never_joined_joins_first(
    ums: Ums, start: Start
) -> None:
    ums.will_answer(UPDATE, 400, "not now")
    start()
    assert eventually(is_connected)
    conversation = ums.open(text="hello")
    assert eventually(lambda: updates(ums))

    deliver(conversation, CommandType.MESSAGE, text="Welcome")

    assert conversation.texts[-1] == ("houston-bot", "Welcome")


def test_message_after_the_main_dialog_ended_goes_to_the_survey(
    ums: Ums, conversation: Conversation
) -> None:
    conversation.close(survey=True)
    assert eventually(lambda: Connection.objects.get().notifications.count() >= 4)

    deliver(conversation, CommandType.MESSAGE, text="Goodbye")

    [published] = ums.sent_by(ums.bot, PUBLISH)
    assert published["body"]["dialogId"] == conversation.dialogs[1].id


def test_message_to_a_closed_conversation_is_refused(conversation: Conversation) -> None:
    conversation.close()

    error = failure(conversation, CommandType.MESSAGE, text="Goodbye")

    assert error.permanent
    assert error.reason == "refused"
    assert str(error).startswith("LivePerson answered 400: ")


# Transfers ----------------------------------------------------------------------------------------


def test_transfer_to_a_skill_takes_it_from_the_agent(ums: Ums, conversation: Conversation) -> None:
    assign(conversation, ums.anna)

    said = deliver(conversation, CommandType.TRANSFER, skillId="200")

    assert said == "Transferred"
    assert conversation.skill == "200"
    assert conversation.member(ums.anna) is None
    assert updates(ums)[-1] == [removal(ums.anna.old_id), routing("200")]


def test_transfer_out_of_a_queue_removes_nobody(ums: Ums, conversation: Conversation) -> None:
    deliver(conversation, CommandType.TRANSFER, skillId="200")

    assert updates(ums) == [[routing("200")]]


@pytest.mark.parametrize("agent_id", ["502", "12345678.502"])
def test_transfer_to_an_agent_stays_in_the_skill(
    ums: Ums, conversation: Conversation, agent_id: str
) -> None:
    deliver(conversation, CommandType.TRANSFER, agentId=agent_id)

    suggestion = {**removal(ums.ben.old_id), "type": "SUGGEST"}
    assert updates(ums) == [[suggestion, routing("100")]]
    member = conversation.member(ums.ben)
    assert member is not None
    assert member.state == "SUGGESTED"


def test_transfer_to_an_agent_of_a_skill(ums: Ums, conversation: Conversation) -> None:
    assign(conversation, ums.anna)

    deliver(conversation, CommandType.TRANSFER, skillId="200", agentId="502")

    suggestion = {**removal(ums.ben.old_id), "type": "SUGGEST"}
    assert updates(ums) == [[removal(ums.anna.old_id), suggestion, routing("200")]]


def test_transfer_goes_on_when_the_agent_leaves_at_that_moment(
    ums: Ums, conversation: Conversation
) -> None:
    assign(conversation, ums.anna)
    ums.before_answering(UPDATE, conversation.unassign)

    deliver(conversation, CommandType.TRANSFER, skillId="200")

    assert updates(ums) == [[removal(ums.anna.old_id), routing("200")], [routing("200")]]
    assert conversation.skill == "200"


# Closing ------------------------------------------------------------------------------------------


def test_close_ends_the_conversation_without_a_survey(ums: Ums, conversation: Conversation) -> None:
    ums.has_survey = True

    said = deliver(conversation, CommandType.CLOSE)

    assert said == "Closed"
    assert (conversation.state, conversation.stage) == ("CLOSE", "CLOSE")


def test_close_of_the_dialog_lets_the_survey_start(ums: Ums, conversation: Conversation) -> None:
    ums.has_survey = True
    Connection.objects.update(close_mode="dialog")

    deliver(conversation, CommandType.CLOSE)

    assert (conversation.state, conversation.stage) == ("CLOSE", "OPEN")
    assert conversation.dialogs[-1].type == "POST_SURVEY"


def test_close_of_a_closed_conversation_is_success(ums: Ums, conversation: Conversation) -> None:
    known = Connection.objects.get().notifications.count()
    conversation.close()
    assert eventually(lambda: Connection.objects.get().notifications.count() > known)

    assert deliver(conversation, CommandType.CLOSE) == "It was closed already"
    assert not updates(ums)


def test_close_at_the_moment_when_somebody_else_closes_is_success(
    ums: Ums, conversation: Conversation
) -> None:
    ums.before_answering(UPDATE, conversation.close)

    assert deliver(conversation, CommandType.CLOSE) == "It was closed already"


# When it does not work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "body", "said", "permanent", "reason"),
    [
        (400, "no such field", "no such field", True, "refused"),
        (403, {"title": "Forbidden", "details": "no right", "errorCode": 40301},
         "Forbidden, no right, 40301", True, "refused"),
        (500, "broken", "broken", False, "refused"),
        (503, {}, "", False, "refused"),
        (429, "too many requests", "too many requests", False, "throttled"),
        (401, "unauthorized", "unauthorized", False, "agent-socket-offline"),
    ],
)  # fmt: skip
def test_refusal_says_what_the_platform_said(
    ums: Ums,
    conversation: Conversation,
    *,
    code: int,
    body: Any,
    said: str,
    permanent: bool,
    reason: str,
) -> None:
    ums.will_answer(PUBLISH, code, body)
    ums.will_answer(PUBLISH, code, body)

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert str(error) == f"LivePerson answered {code}" + (said and f": {said}")
    assert (error.permanent, error.reason, error.unknown) == (permanent, reason, False)
    assert (error.retry_after_s is not None) == (code == 429)
    assert conversation.texts == [("consumer-1", "hello")]


def test_refused_token_leads_to_a_new_login_and_the_message_goes_out_then(
    ums: Ums, conversation: Conversation
) -> None:
    ums.will_answer(PUBLISH, 401, "unauthorized")
    failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert eventually(lambda: len(ums.logins) == 2)
    assert eventually(lambda: is_connected() and ums.peers(ums.bot))
    deliver(conversation, CommandType.MESSAGE, text="Welcome")

    assert conversation.texts[-1] == ("houston-bot", "Welcome")


def test_message_without_an_answer_may_have_been_sent(ums: Ums, conversation: Conversation) -> None:
    ums.will_not_answer(PUBLISH)

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert (error.unknown, error.reason, error.permanent) == (True, "no-answer", False)
    assert str(error) == "LivePerson did not answer within 2 s"


def test_message_on_a_socket_that_closes_before_the_answer_may_have_been_sent(
    ums: Ums, conversation: Conversation
) -> None:
    ums.will_not_answer(PUBLISH)
    threading.Timer(0.5, ums.drop_sockets).start()

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert error.unknown
    assert str(error) == "The agent socket closed before LivePerson answered"


def test_message_that_could_not_join_was_not_sent(ums: Ums, conversation: Conversation) -> None:
    conversation.leaves(ums.bot)
    ums.will_not_answer(UPDATE)

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert (error.unknown, error.reason) == (False, "agent-socket-offline")


def test_message_while_nobody_holds_the_socket_is_kept_for_later(ums: Ums, agent: Any) -> None:
    conversation = ums.open(text="hello")

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert (error.permanent, error.unknown) == (False, False)
    assert error.reason == "agent-socket-offline"
    assert "nobody holds it, is `manage.py connect` running?" in str(error)


def test_message_while_the_socket_is_closed_says_why(
    ums: Ums, agent: Connection, start: Start
) -> None:
    agent.agent_login = "{}"
    agent.save()
    conversation = ums.open(text="hello")
    start()
    assert eventually(lambda: AgentSession.objects.filter(state="refused").exists())

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert error.reason == "agent-socket-offline"
    assert "Cannot log in: the connection's login needs username" in str(error)


def test_message_to_a_holder_that_has_died_is_kept_for_later(
    ums: Ums, conversation: Conversation
) -> None:
    AgentSession.objects.update(address="127.0.0.1:1")

    error = failure(conversation, CommandType.MESSAGE, text="Welcome")

    assert (error.reason, error.unknown) == ("agent-socket-offline", False)


# The door -----------------------------------------------------------------------------------------


@pytest.fixture
def door() -> Any:
    opened = Door("127.0.0.1", lambda question: question.upper())
    yield opened
    opened.close()


def connect(door: Door) -> socket.socket:
    host, _, port = door.address.partition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def receive(channel: socket.socket) -> bytes:
    [length] = struct.unpack("!I", channel.recv(4))
    return channel.recv(length)


def rest(channel: socket.socket) -> bytes:
    """What still comes. Nothing, when the other side has hung up."""
    try:
        return channel.recv(100)
    except ConnectionResetError:
        return b""


def test_question_is_answered(door: Door) -> None:
    assert handover.ask(door.address, door.key, b"who?", 5) == b"WHO?"


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_question_is_answered_at_the_address_that_was_set(host: str) -> None:
    door = Door(host, lambda question: question.upper())
    try:
        assert handover.ask(door.address, door.key, b"who?", 5) == b"WHO?"
    finally:
        door.close()


def test_question_with_another_key_is_not_asked(door: Door) -> None:
    with pytest.raises(NotSentError):
        handover.ask(door.address, Fernet.generate_key().decode(), b"who?", 5)


def test_strangers_who_say_nothing_are_in_nobodys_way(door: Door) -> None:
    strangers = [connect(door) for _ in range(handover.MOST_AT_ONCE - 1)]

    assert handover.ask(door.address, door.key, b"who?", 5) == b"WHO?"

    def come_in() -> bool:
        stranger = connect(door)
        strangers.append(stranger)
        return bool(stranger.recv(4))

    # The place of who asked is free a moment after the answer.
    assert eventually(come_in)
    with pytest.raises(NotSentError):
        handover.ask(door.address, door.key, b"who?", 5)
    for stranger in strangers:
        stranger.close()

    def is_answered() -> bool:
        # Their places are free a moment after they went.
        with contextlib.suppress(NotSentError):
            return handover.ask(door.address, door.key, b"who?", 5) == b"WHO?"
        return False

    assert eventually(is_answered)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0\0\0\5hello", b"\xff\xff\xff\xff", b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n"],
)
def test_stranger_who_says_something_else_gets_no_answer(door: Door, frame: bytes) -> None:
    with connect(door) as channel:
        receive(channel)
        channel.sendall(frame)
        with contextlib.suppress(OSError):  # hung up already
            channel.shutdown(socket.SHUT_WR)

        assert rest(channel) == b""


def test_question_that_was_recorded_is_not_answered_again(door: Door) -> None:
    fernet = Fernet(door.key)

    def ask_with(greeting: bytes) -> bytes:
        with connect(door) as channel:
            fresh = fernet.decrypt(receive(channel))
            asked = fernet.encrypt(b"?" + (greeting or fresh) + os.urandom(16) + b"who?")
            channel.sendall(struct.pack("!I", len(asked)) + asked)
            return receive(channel) if not greeting else rest(channel)

    assert fernet.decrypt(ask_with(b""))[17:] == b"WHO?"
    assert ask_with(os.urandom(16)) == b""


def test_answer_that_was_recorded_is_not_believed() -> None:
    key = Fernet.generate_key().decode()
    fernet = Fernet(key)
    listener = socket.create_server(("127.0.0.1", 0))

    def impostor() -> None:
        channel, _ = listener.accept()
        with channel:
            for frame in (fernet.encrypt(os.urandom(16)), fernet.encrypt(b"!" + os.urandom(30))):
                channel.sendall(struct.pack("!I", len(frame)) + frame)
            channel.recv(1000)

    threading.Thread(target=impostor, daemon=True).start()
    with listener, pytest.raises(NoAnswerError):
        handover.ask(f"127.0.0.1:{listener.getsockname()[1]}", key, b"who?", 5)


def test_holder_that_dies_over_a_question_may_have_acted() -> None:
    key = Fernet.generate_key().decode()
    listener = socket.create_server(("127.0.0.1", 0))

    def dying() -> None:
        channel, _ = listener.accept()
        with channel:
            frame = Fernet(key).encrypt(os.urandom(16))
            channel.sendall(struct.pack("!I", len(frame)) + frame)
            receive(channel)

    threading.Thread(target=dying, daemon=True).start()
    with listener, pytest.raises(NoAnswerError):
        handover.ask(f"127.0.0.1:{listener.getsockname()[1]}", key, b"who?", 5)
