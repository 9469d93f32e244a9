"""Time in simulated conversations: silences, office hours, who comes back, clocks near and far.

Nothing is deployed here, so no function runs.
"""

import datetime as dt

import pytest
from django.utils import timezone

from houston.models import Account
from invoker import digesting, dispatch, simulator
from invoker.models import (
    AutomaticText,
    Connection,
    Conversation,
    OfficeHours,
    Platform,
    Verdict,
)
from invoker.simulator import ActError, acts
from tests import factories
from tests.invoker.simulated import (
    NOON,
    WELCOME,
    begin,
    counts,
    minutes,
    play,
    refused,
    said,
    subtypes,
    timers,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR)


# While time passes --------------------------------------------------------------------------------


def test_nobody_acts_while_time_passes(connection: Connection) -> None:
    conversation = begin()

    simulator.perform(conversation, acts.Wait(seconds=600), by="kim")
    codes = {
        refused(conversation, **act)
        for act in ({"act": "assign"}, {"act": "wait", "seconds": 5}, {"act": "close"},
                    {"act": "office", "state": "open"})
    }  # fmt: skip
    dispatch.drain(conversation.pk)

    assert codes == {"clock-moving"}
    play(conversation, act="assign")
    assert subtypes(conversation)[-1] == "YOU_ARE_CONNECTED_TO"


def test_sweep_looks_again_by_our_clock_wherever_the_conversations_stands(
    connection: Connection,
) -> None:
    timers(CONV_AWAITING_IN_QUEUE=300)
    for starts_at in (NOON, dt.datetime(2099, 3, 1, tzinfo=dt.UTC), timezone.now()):
        conversation = begin(starts_at)
        conversation.refresh_from_db()
        wait = conversation.due_at - timezone.now()
        assert dt.timedelta(minutes=4) < wait <= dt.timedelta(minutes=5)

    digesting.look_again(factories.ACCOUNT_ID)

    assert all(each.due_at <= timezone.now() for each in Conversation.objects.all())


@pytest.mark.parametrize(
    "starts_at",
    [dt.datetime(1970, 1, 2, tzinfo=dt.UTC), dt.datetime(2099, 12, 1, tzinfo=dt.UTC)],
)
def test_clocks_go_from_1970_to_2099(connection: Connection, starts_at: dt.datetime) -> None:
    conversation = begin(starts_at, authenticated=True)
    play(conversation, act="assign")
    play(conversation, act="wait", seconds=3600)
    play(conversation, act="close", by="system")
    again = begin(None, authenticated=True)

    assert subtypes(conversation) == [
        WELCOME, "YOU_ARE_CONNECTED_TO", "AGENT_NON_RESPONSIVE", "SYSTEM_END_CONVERSATION",
    ]  # fmt: skip
    first, last = (conversation.events.order_by(each).first() for each in ("position", "-position"))
    assert first
    assert last
    assert abs(first.occurred_at - starts_at) < dt.timedelta(seconds=30)
    assert abs(last.occurred_at - starts_at - dt.timedelta(hours=1)) < dt.timedelta(seconds=30)
    assert again.events.get().occurred_at > last.occurred_at
    assert (
        Conversation.objects.filter(created_at__gt=timezone.now() - dt.timedelta(hours=1)).count()
        == 2
    )


@pytest.mark.parametrize(
    "starts_at", [dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)]
)
def test_no_conversation_begins_outside_of_what_clocks_show(
    connection: Connection, starts_at: dt.datetime
) -> None:
    with pytest.raises(ActError) as caught:
        begin(starts_at)

    assert caught.value.code == "too-far"
    assert counts() == [0, 0, 0, 0, 0]
    late = begin(dt.datetime(2099, 12, 31, tzinfo=dt.UTC))
    assert refused(late, act="wait", seconds=2 * 86_400) == "too-far"


# Who comes back -----------------------------------------------------------------------------------


def test_signed_in_consumer_comes_back_where_the_last_clock_stands(
    connection: Connection,
) -> None:
    first = begin(consumer="Robin", authenticated=True)
    play(first, act="close", by="consumer")
    play(first, act="wait", seconds=86_400)
    second = begin(None, consumer="robin", authenticated=True)
    stranger = begin(None, consumer="Robin")
    first.simulation.refresh_from_db()

    assert (first.consumer_id, second.consumer_id) == ("consumer-robin", "consumer-robin")
    assert second.ahead - first.ahead < dt.timedelta(seconds=30)
    assert stranger.ahead == dt.timedelta(0)
    assert stranger.consumer_id.startswith("visitor-")
    assert subtypes(second) == [WELCOME]


def test_who_comes_back_soon_after_an_automatic_close_is_not_welcomed_again(
    connection: Connection,
) -> None:
    AutomaticText.objects.filter(message__subtype=WELCOME).update(text="Welcome")
    first = begin(authenticated=True)
    play(first, act="close", by="system")
    soon = begin(None, authenticated=True)
    play(soon, act="close", by="system")
    play(soon, act="wait", seconds=49 * 3600)
    late = begin(None, authenticated=True)

    assert subtypes(soon)[0] == "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE"
    assert soon.events.order_by("position")[0].verdict == Verdict.SUPPRESSED
    assert (subtypes(late), said(late)) == ([WELCOME], ["Welcome"])
    assert said(soon) != ["Welcome"]


def test_consumer_steps_up_and_is_known_from_then_on(connection: Connection) -> None:
    conversation = begin(consumer="Robin")
    play(conversation, act="sign_in")
    again = begin(None, consumer="Robin", authenticated=True)

    conversation.refresh_from_db()
    assert subtypes(conversation) == [WELCOME, "CONSUMER_STEP_UP"]
    assert conversation.consumer_id == again.consumer_id == "consumer-robin"


def test_survey_begins_with_the_close_and_ends_by_itself(connection: Connection) -> None:
    conversation = begin()
    play(conversation, act="assign")
    play(conversation, act="close", by="agent", survey=True)
    play(conversation, act="end_survey")

    types = conversation.events.order_by("position").values_list("type", flat=True)
    assert [each.partition("_messaging_")[2] for each in types][2:] == [
        "conversation_end", "survey_started", "survey_ended",
    ]  # fmt: skip


def test_offered_agent_is_nobody_until_taking_it(connection: Connection) -> None:
    conversation = begin()
    play(conversation, act="suggest", agent="Lee")
    offered = subtypes(conversation)
    play(conversation, act="assign", agent="Lee")

    assert offered == [WELCOME]
    assert subtypes(conversation) == [WELCOME, "YOU_ARE_CONNECTED_TO"]
    conversation.refresh_from_db()
    state = digesting.stored_state(conversation)
    assert state is not None
    assert [each.id for each in state.participants if each.role == "ASSIGNED_AGENT"] == [
        "agent-lee"
    ]


def test_urgent_and_response_time_are_told_and_taken_back(connection: Connection) -> None:
    conversation = begin()
    play(conversation, act="assign")
    play(conversation, act="urgent")
    play(conversation, act="urgent", on=False)
    play(conversation, act="response_time", minutes=30)

    assert subtypes(conversation)[2:] == [
        "CONSUMER_ASKED_URGENT_RESPONSE_TIME", "CONSUMER_CANCELED_URGENT_RESPONSE_TIME",
        "AGENT_UPDATED_RESPONSE_TIME",
    ]  # fmt: skip


# Silence and office hours -------------------------------------------------------------------------


def test_private_line_ends_nobodys_silence(connection: Connection) -> None:
    timers(AGENT_NON_RESPONSIVE=600)
    quiet, spoke = begin(), begin()
    for conversation, private in ((quiet, True), (spoke, False)):
        play(conversation, act="assign")
        play(conversation, act="wait", seconds=300)
        play(conversation, act="agent_says", text="Let me see", private=private)
        play(conversation, act="wait", seconds=600)

    assert minutes(quiet, "AGENT_NON_RESPONSIVE") == [10]
    assert minutes(spoke, "AGENT_NON_RESPONSIVE") == []


def test_closed_office_keeps_agents_from_being_late_and_its_opening_counts_anew(
    connection: Connection,
) -> None:
    timers(CONV_AWAITING_IN_QUEUE=300)
    conversation = begin()
    play(conversation, act="office", state="closed")
    play(conversation, act="wait", seconds=3600)
    asleep = subtypes(conversation)
    play(conversation, act="office", state="open")
    play(conversation, act="wait", seconds=3600)

    assert asleep == [WELCOME]
    assert minutes(conversation, "CONV_AWAITING_IN_QUEUE") == [65]
    assert said(conversation, "")[:2] == ["The office closed", "The office opened"]
    assert refused(conversation, act="office", state="open") == "as-it-was"


def test_line_in_off_hours_is_an_event_once_for_each_time_the_office_is_closed(
    connection: Connection,
) -> None:
    conversation = begin()
    for state, texts in (("closed", 2), ("open", 1), ("closed", 1), ("account", 1)):
        play(conversation, act="office", state=state)
        play(conversation, act="wait", seconds=60)
        for number in range(texts):
            play(conversation, act="consumer_says", text=f"Hello {number}")

    assert subtypes(conversation) == [WELCOME, *["CONSUMER_SEND_MESSAGE_ON_OFFHOURS"] * 2]


def test_account_s_office_hours_go_by_the_conversations_clock(connection: Connection) -> None:
    """Open on Mondays from 9 to 17 h: the clock is let pass into the evening."""
    week = [
        {
            "start": {"dateTime": "2024-01-01T09:00:00", "timeZone": "UTC"},
            "end": {"dateTime": "2024-01-01T17:00:00", "timeZone": "UTC"},
            "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO"],
        }
    ]
    OfficeHours.objects.create(
        account_id=factories.ACCOUNT_ID, name="Day", is_default=True, workdays=week
    )
    timers(CONV_AWAITING_IN_QUEUE=7200)
    conversation = begin()
    play(conversation, act="wait", seconds=4 * 3600)
    play(conversation, act="consumer_says", text="Still there?")
    play(conversation, act="wait", seconds=2 * 3600)
    play(conversation, act="consumer_says", text="Anybody?")

    assert subtypes(conversation) == [
        WELCOME, "CONV_AWAITING_IN_QUEUE", "CONSUMER_SEND_MESSAGE_ON_OFFHOURS",
    ]  # fmt: skip
    assert minutes(conversation, "CONV_AWAITING_IN_QUEUE") == [120]
    assert minutes(conversation, "CONSUMER_SEND_MESSAGE_ON_OFFHOURS") == [360]


def test_timer_that_was_shortened_counts_from_the_silence_though_the_account_is_new(
    connection: Connection,
) -> None:
    """What a clock jumped over lies before nobody's time."""
    Connection.objects.update(listening_since=timezone.now())
    timers(CONV_AWAITING_IN_QUEUE=86_400)
    conversation = begin()
    play(conversation, act="wait", seconds=3600)

    timers(CONV_AWAITING_IN_QUEUE=300)
    Conversation.mark_arrivals([conversation.pk])
    dispatch.drain(conversation.pk)

    assert minutes(conversation, "CONV_AWAITING_IN_QUEUE") == [60]
