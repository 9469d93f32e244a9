"""The bot's own socket: what comes in by it, and how it is kept."""

import datetime as dt
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from invoker import dispatch
from invoker.models import (
    AgentSession,
    AgentSessionState,
    Connection,
    ControllerBot,
    Event,
    Notification,
)
from invoker.platforms.liveperson import Timing
from invoker.platforms.liveperson.holder import OVERLAP
from tests.liveperson.conftest import Start, eventually, is_connected, lines
from tests.liveperson.timing import HURRIED
from tests.liveperson.ums import Ums

pytestmark = pytest.mark.django_db(transaction=True)

PATIENT = replace(HURRIED, first_wait=1.5)
"""Leaves time for something to happen while no socket is open."""


def session() -> AgentSession:
    return AgentSession.objects.get()


def is_in(state: AgentSessionState) -> bool:
    return AgentSession.objects.filter(state=state).exists()


def sent(ums: Ums, kind: str) -> list[dict[str, Any]]:
    return [frame["body"] for frame in ums.sent_by(ums.bot, kind)]


def digest_all(agent: Connection) -> None:
    for conversation in agent.conversations.all():
        dispatch.drain(conversation.pk)


def subscriptions(ums: Ums) -> list[dict[str, Any]]:
    return sent(ums, ".ams.aam.SubscribeExConversations")


# What comes ---------------------------------------------------------------------------------------


def test_first_connection_learns_what_is_open_and_joins_it(
    ums: Ums, agent: Connection, start: Start
) -> None:
    conversation = ums.open(text="hello", age_s=3600)
    ums.open(text="bye").close()
    before = timezone.now()

    start()

    assert eventually(lambda: lines() == ["hello"])
    assert eventually(lambda: conversation.member(ums.bot, "MANAGER"))
    agent.refresh_from_db()
    assert set(agent.own_ids) == {ums.bot.old_id, ums.bot.pid}
    assert agent.listening_since >= before
    assert session().state == AgentSessionState.CONNECTED
    assert session().connected_at >= before
    everything, changes = subscriptions(ums)
    assert everything == {"convState": ["OPEN"]}
    assert changes["convState"] == ["OPEN", "CLOSE"]
    asked_since = before.timestamp() * 1000 - changes["minLastUpdatedTime"]
    assert asked_since == pytest.approx(OVERLAP.total_seconds() * 1000, abs=5_000)
    assert not Event.objects.exists()


def test_survey_is_heard_to_its_end_on_the_first_socket(
    ums: Ums, agent: Connection, start: Start
) -> None:
    start()
    assert eventually(is_connected)
    conversation = ums.open(text="hello")
    assert eventually(lambda: lines() == ["hello"])

    conversation.close(survey=True)
    # The survey is a dialog of its own, which ends as well.
    conversation.close()

    def stages() -> list[tuple[str, str, str]]:
        digest_all(agent)
        return list(Event.objects.order_by("position").values_list("subtype", "type", "verdict"))

    assert eventually(
        lambda: (
            [subtype or kind for subtype, kind, _ in stages()][-3:]
            == [
                "CONSUMER_END_CONVERSATION",
                "surveybot_messaging_survey_started",
                "surveybot_messaging_survey_ended",
            ]
        )
    )


def test_conversation_is_joined_once_whatever_happens_in_it(ums: Ums, start: Start) -> None:
    start()
    assert eventually(is_connected)

    conversation = ums.open(text="hello")
    assert eventually(lambda: lines() == ["hello"])
    conversation.assign(ums.anna)
    conversation.reply(ums.anna, "hi")
    conversation.says("thanks")

    assert eventually(lambda: lines() == ["hello", "hi", "thanks"])
    assert len(sent(ums, ".ams.cm.UpdateConversationField")) == 1


def test_conversation_that_the_bot_is_in_is_not_joined_again(ums: Ums, start: Start) -> None:
    conversation = ums.open(text="hello")
    conversation.joins(ums.bot, "MANAGER")

    start()

    assert eventually(lambda: lines() == ["hello"])
    assert not sent(ums, ".ams.cm.UpdateConversationField")


def test_bot_that_was_sent_away_does_not_come_back_by_itself(ums: Ums, start: Start) -> None:
    start()
    conversation = ums.open(text="hello")
    assert eventually(lambda: conversation.member(ums.bot))

    conversation.leaves(ums.bot)
    conversation.assign(ums.anna)
    known = Notification.objects.count()
    conversation.urgent()

    assert eventually(lambda: Notification.objects.count() > known)
    assert not conversation.member(ums.bot)


def test_throttled_join_is_tried_again(ums: Ums, start: Start) -> None:
    start()
    assert eventually(is_connected)
    ums.will_answer(".ams.cm.UpdateConversationField", 429, "too many requests")

    conversation = ums.open(text="hello")

    assert eventually(lambda: lines() == ["hello"])
    assert conversation.member(ums.bot)


def test_conversation_that_cannot_be_read_costs_no_other(
    ums: Ums, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = ums.open("consumer-1", text="one"), ums.open("consumer-2", text="two")
    broken.started_ms = "yesterday"  # type: ignore[assignment]

    with caplog.at_level(logging.WARNING):
        start()
        assert eventually(lambda: lines() == ["two"])

    assert whole.member(ums.bot)
    assert not broken.member(ums.bot)
    assert is_connected()
    assert any("yesterday" in one.message for one in caplog.records)


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", '"text"', '{"kind": "notification"}', '{"kind": "resp", "reqId": 7}',
     '{"kind": "notification", "type": ".ams.routing.RingUpdated", "body": {}}', "[" * 100_000],
)  # fmt: skip
def test_frame_that_means_nothing_is_dropped(ums: Ums, start: Start, frame: str) -> None:
    start()
    assert eventually(is_connected)
    [peer] = ums.peers(ums.bot)

    peer.send_text(frame)
    ums.open(text="hello")

    assert eventually(lambda: lines() == ["hello"])
    assert len(ums.logins) == 1


def test_half_an_emoji_costs_no_message(ums: Ums, start: Start) -> None:
    start()

    ums.open(text="cut \ud83d")

    assert eventually(lambda: lines() == ["cut ?"])


# Logging in ---------------------------------------------------------------------------------------


def test_refused_login_says_why_and_waits_for_other_keys(
    ums: Ums, agent: Connection, start: Start
) -> None:
    agent.agent_login = json.dumps({**ums.bot.login, "secret": "wrong"})
    agent.save()
    supervisor = start()

    assert eventually(lambda: is_in(AgentSessionState.REFUSED))
    assert session().detail == (
        'Cannot log in: the answer was 401: {"error": "bad credentials", "internalCode": 401}'
    )
    supervisor.look()
    assert len(ums.logins) == 1

    agent.agent_login = json.dumps(ums.bot.login)
    agent.save()
    supervisor.look()

    assert eventually(is_connected)
    assert session().detail == ""


def test_refused_login_is_tried_again_after_a_while(ums: Ums, start: Start) -> None:
    ums.will_answer_login(403, "no right")

    start(replace(HURRIED, refused=0.5))

    assert eventually(is_connected)
    assert len(ums.logins) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"bearer": "b", "csrf": "c", "config": {}}, 'the answer has no "userId"'),
        ({"bearer": "b", "csrf": "c"}, 'the answer has no "userId"'),
        ({"error": "locked"}, "locked"),
    ],
)
def test_login_without_a_user_is_refused(
    ums: Ums, start: Start, answer: dict[str, Any], said: str
) -> None:
    ums.will_answer_login(200, answer)

    start()

    assert eventually(lambda: is_in(AgentSessionState.REFUSED))
    assert session().detail == f"Cannot log in: {said}"


@pytest.mark.parametrize("login", ["", "{", "[]", '{"username": "houston-bot"}', '{"username": 1}'])
def test_login_that_is_not_complete_is_refused(
    ums: Ums, agent: Connection, start: Start, login: str
) -> None:
    agent.agent_login = login
    agent.save()

    start()

    if login:
        assert eventually(lambda: is_in(AgentSessionState.REFUSED))
        assert "needs username, appKey, secret" in session().detail
    assert not ums.logins


@pytest.mark.parametrize(
    ("status", "said"), [(429, "slow down"), (500, "broken"), (503, ""), (302, "elsewhere")]
)
def test_login_that_is_not_possible_now_is_tried_again(
    ums: Ums, start: Start, status: int, said: str
) -> None:
    ums.will_answer_login(status, said, **{"Retry-After": "1"})

    start()

    assert eventually(lambda: is_in(AgentSessionState.WAITING))
    assert session().detail == f"Cannot log in: the answer was {status}" + (said and f": {said}")
    began = timezone.now()
    assert eventually(is_connected)
    assert (timezone.now() - began).total_seconds() > 0.5
    assert len(ums.logins) == 2


def test_unreachable_platform_is_waited_for(ums: Ums, start: Start, settings: Any) -> None:
    right = settings.LIVEPERSON_CSDS
    settings.LIVEPERSON_CSDS = "https://localhost:1"

    start()
    assert eventually(lambda: is_in(AgentSessionState.WAITING))
    assert session().detail == (
        'Cannot find the services: "localhost:1" cannot be reached (ConnectError)'
    )
    settings.LIVEPERSON_CSDS = right

    assert eventually(is_connected)


def test_unknown_authority_is_not_trusted(
    ums: Ums, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    start()

    assert eventually(lambda: is_in(AgentSessionState.WAITING))
    assert not ums.logins


# Staying connected --------------------------------------------------------------------------------

LIVELY = replace(HURRIED, clock=0.1, refresh=0.3, request=1.0)


def test_token_is_renewed(ums: Ums, start: Start) -> None:
    start(LIVELY)

    assert eventually(lambda: ums.refreshes >= 3)
    assert len(ums.logins) == 1
    assert is_connected()
    assert len([one for _, one in ums.frames if one["type"] == ".GetClock"]) >= 3


def test_token_that_cannot_be_renewed_leads_to_a_new_login(ums: Ums, start: Start) -> None:
    start(LIVELY)
    assert eventually(is_connected)

    ums.end_tokens()

    assert eventually(lambda: len(ums.logins) == 2)
    assert eventually(lambda: is_connected() and len(ums.peers(ums.bot)) == 1)


def test_socket_on_which_nobody_answers_is_opened_again(ums: Ums, start: Start) -> None:
    ums.will_not_answer(".GetClock")

    start(LIVELY)

    assert eventually(lambda: len(subscriptions(ums)) == 3)
    assert eventually(is_connected)
    assert len(ums.logins) == 1


@pytest.mark.parametrize(
    ("code", "logins"),
    [(4401, 2), (4407, 2), (1011, 2), (1008, 2), (1000, 1), (1001, 1), (4000, 1)],
)
def test_closed_socket_is_opened_again(ums: Ums, start: Start, code: int, logins: int) -> None:
    start()
    assert eventually(is_connected)

    ums.close_sockets(code)

    assert eventually(lambda: len(subscriptions(ums)) == 3)
    assert eventually(is_connected)
    assert len(ums.logins) == logins


def test_lost_socket_is_opened_again_with_the_same_token(ums: Ums, start: Start) -> None:
    start(PATIENT)
    assert eventually(is_connected)

    ums.drop_sockets()

    assert eventually(lambda: is_in(AgentSessionState.WAITING))
    assert session().detail == "the platform closed the socket with 1006"
    assert eventually(is_connected)
    assert len(ums.logins) == 1


def test_token_that_opens_no_socket_any_more_leads_to_a_new_login(ums: Ums, start: Start) -> None:
    start()
    assert eventually(is_connected)

    ums.forget_tokens()
    ums.drop_sockets()

    assert eventually(lambda: len(ums.logins) == 2)
    assert eventually(is_connected)


@pytest.mark.parametrize(
    ("code", "body", "logins"),
    [(401, "unauthorized", 2), (500, "broken", 1), (429, {"title": "slow", "errorCode": 1}, 1)],
)
def test_refused_subscription_is_asked_for_again(
    ums: Ums, start: Start, code: int, body: Any, logins: int
) -> None:
    ums.will_answer(".ams.aam.SubscribeExConversations", code, body)

    start()

    assert eventually(is_connected)
    assert len(ums.logins) == logins
    # Nothing was heard yet, so it is the first one still.
    assert [one["convState"] for one in subscriptions(ums)] == [
        ["OPEN"],
        ["OPEN"],
        ["OPEN", "CLOSE"],
    ]


def test_times_are_those_of_the_platforms_guide() -> None:
    usual = Timing()

    assert (usual.clock, usual.ping, usual.refresh, usual.first_wait) == (30, 60, 600, 5)


def test_waits_grow_and_end_growing() -> None:
    waits = [Timing().wait(failures) for failures in range(1, 60)]

    assert waits[:3] == [5, 6.25, 7.8125]
    assert waits[-1] == 300
    assert waits == sorted(waits)


# After a gap --------------------------------------------------------------------------------------


def miss(ums: Ums, meanwhile: Callable[[], None]) -> None:
    """Lose the socket, let something happen, and wait until there is a new one."""
    known = len(subscriptions(ums))
    ums.drop_sockets()
    assert eventually(lambda: not ums.peers(ums.bot))
    meanwhile()
    assert eventually(lambda: len(subscriptions(ums)) > known)
    assert eventually(is_connected)


def test_what_was_said_in_a_gap_comes_once(ums: Ums, start: Start) -> None:
    start(PATIENT)
    conversation = ums.open(text="one")
    assert eventually(lambda: lines() == ["one"])

    miss(ums, lambda: conversation.says("two"))
    conversation.says("three")

    assert eventually(lambda: sorted(lines()) == ["one", "three", "two"])
    assert sent(ums, ".ams.ms.QueryMessages")[-1] == {
        "dialogId": conversation.id,
        "newerThanSequence": 0,
    }
    [_, _, again] = subscriptions(ums)
    assert again["convState"] == ["OPEN", "CLOSE"]
    assert again["minLastUpdatedTime"] < conversation.updated_ms


def test_gap_that_could_not_be_filled_is_filled_later(ums: Ums, start: Start) -> None:
    start(PATIENT)
    conversation = ums.open(text="one")
    assert eventually(lambda: lines() == ["one"])
    ums.will_not_answer(".ams.ms.QueryMessages")
    miss(ums, lambda: conversation.says("two"))
    conversation.says("three")
    assert eventually(lambda: lines() == ["one", "three"])

    miss(ums, lambda: conversation.says("four"))

    assert eventually(lambda: lines() == ["one", "three", "two", "four"])


def test_what_was_closed_in_a_gap_is_seen(ums: Ums, agent: Connection, start: Start) -> None:
    start(PATIENT)
    conversation = ums.open(text="one")
    assert eventually(lambda: lines() == ["one"])

    miss(ums, conversation.close)

    def states() -> list[str]:
        found = Notification.objects.filter(kind__contains="ExConversation").order_by("pk")
        changes = [json.loads(bytes(one.body))["body"]["changes"][0] for one in found]
        return [f"{one['type']} {one['result']['conversationDetails']['state']}" for one in changes]

    assert eventually(lambda: states()[-1] == "UPSERT CLOSE")


def test_what_was_said_while_no_process_was_there_comes_once(ums: Ums, start: Start) -> None:
    first = start()
    conversation = ums.open(text="one")
    assert eventually(lambda: lines() == ["one"])
    first.close()
    assert session().state == AgentSessionState.OFFLINE
    assert session().address == ""

    conversation.says("two")
    other = ums.open("consumer-2", text="hello")
    start()

    assert eventually(lambda: sorted(lines()) == ["hello", "one", "two"])
    assert other.member(ums.bot)
    joins = [one["conversationId"] for one in sent(ums, ".ams.cm.UpdateConversationField")]
    assert joins == [conversation.id, other.id]


# Whose socket is held -----------------------------------------------------------------------------


def test_connection_that_is_switched_off_is_let_go(
    ums: Ums, agent: Connection, start: Start
) -> None:
    supervisor = start()
    assert eventually(is_connected)

    Connection.objects.update(active=False)
    supervisor.look()

    # The platform hears of it a moment later.
    assert eventually(lambda: not ums.peers(ums.bot))
    assert session().state == AgentSessionState.OFFLINE


def test_connection_without_a_login_or_of_a_bot_that_is_not_on_is_left_alone(
    ums: Ums, agent: Connection, start: Start
) -> None:
    ControllerBot.objects.update(functions_enabled_at=None)

    supervisor = start()
    assert not AgentSession.objects.exists()

    ControllerBot.objects.update(functions_enabled_at=timezone.now())
    Connection.objects.update(agent_login="")
    supervisor.look()
    assert not AgentSession.objects.exists()
    assert not ums.logins


def test_one_of_two_holds_the_socket_and_the_other_takes_over(ums: Ums, start: Start) -> None:
    first = start()
    assert eventually(is_connected)
    start()
    assert not eventually(lambda: len(ums.peers(ums.bot)) > 1, timeout_s=1)

    first.close()

    assert eventually(is_connected)
    assert len(ums.logins) == 2
    assert len(ums.peers(ums.bot)) == 1


def test_claim_that_was_taken_away_closes_the_socket(ums: Ums, start: Start) -> None:
    start(replace(HURRIED, renew=0.2))
    assert eventually(is_connected)

    AgentSession.objects.update(fence=99, lease_until=timezone.now() + dt.timedelta(minutes=1))

    assert eventually(lambda: not ums.peers(ums.bot))
    assert session().fence == 99


def test_claim_that_cannot_be_renewed_closes_the_socket_in_time(ums: Ums, start: Start) -> None:
    # Renewing comes too late here, as it does when the database hangs.
    start(replace(HURRIED, lease=1.5, margin=0.5, renew=30.0))
    assert eventually(is_connected)
    lease_until = session().lease_until

    assert eventually(lambda: not ums.peers(ums.bot))

    assert timezone.now() < lease_until


def test_address_that_cannot_be_listened_on_is_said(ums: Ums, start: Start, settings: Any) -> None:
    settings.AGENT_SOCKET_HOST = "192.0.2.1"

    start()

    assert eventually(lambda: AgentSession.objects.exclude(detail="").exists())
    assert session().detail == (
        'Cannot listen for workers on "192.0.2.1": Cannot assign requested address, '
        "see HOUSTON_AGENT_SOCKET_HOST"
    )
