"""Dead letters in the console: the list, one of them, and every act with its question."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from functions.views import dead_letters as pages
from invoker import dead_letters
from invoker.models import (
    AuditEntry,
    Command,
    CommandState,
    Connection,
    DeadLetter,
    EventState,
    LetterState,
    NotificationState,
    Verdict,
)
from tests import factories

HERE = f"/a/{factories.ACCOUNT_ID}/dead-letters/"
LIST = re.compile(r'<tr id="letter-([0-9a-f-]+)"')


def at(name, *arguments):
    return reverse(f"functions:{name}", args=[factories.ACCOUNT_ID, *arguments])


def shown(client, query=""):
    return set(LIST.findall(client.get(f"{HERE}?{query}").content.decode()))


def ids(*letters):
    return {str(each.pk) for each in letters}


def of_notification(**fields):
    notification = factories.NotificationFactory(
        state=NotificationState.FAILED, digested_at=timezone.now(), body=b'{"cannot": "read"}'
    )
    return factories.DeadLetterFactory(
        kind="notification", command=None, notification=notification, **fields
    )


def of_event(**fields):
    event = factories.EventFactory(verdict=Verdict.BROKEN, state=EventState.DONE)
    return factories.DeadLetterFactory(kind="event", command=None, event=event, **fields)


# The list -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_list_costs_the_same_however_many(
    developer_client, account, django_assert_num_queries, count
):
    for _ in range(count):
        factories.DeadLetterFactory()
        of_event()
        of_notification()

    # Session, user, memberships, connections, letters, counts, bot with the badge, accounts.
    with django_assert_num_queries(8):
        page = developer_client.get(HERE).content.decode()

    assert len(LIST.findall(page)) == 3 * count


def test_list_is_filtered_by_kind_reason_connection_state_and_time(developer_client, account):
    other = factories.ConnectionFactory(name="Bridge")
    conversation = factories.ConversationFactory(connection=other)
    event = factories.EventFactory(conversation=conversation)
    plain = factories.DeadLetterFactory()
    elsewhere = factories.DeadLetterFactory(command=factories.CommandFactory(event=event))
    broken = of_event(reason="houston-failed")
    unread = of_notification(reason="malformed-json")
    old = factories.DeadLetterFactory(failed_at=timezone.now() - timezone.timedelta(days=3))
    discarded = factories.DeadLetterFactory(
        state=LetterState.DISCARDED, closed_at=timezone.now(), note="The ferry has left"
    )
    factories.DeadLetterFactory(
        command__event__conversation__connection=factories.ConnectionFactory(account_id="other1")
    )

    assert shown(developer_client) == ids(plain, elsewhere, broken, unread, old)
    assert shown(developer_client, "kind=event") == ids(broken)
    assert shown(developer_client, "kind=notification&reason=malformed-json") == ids(unread)
    assert shown(developer_client, "reason=houston-failed") == ids(broken)
    assert shown(developer_client, f"connection={other.pk}") == ids(elsewhere)
    assert shown(developer_client, "window=24h") == ids(plain, elsewhere, broken, unread)
    assert shown(developer_client, "state=discarded") == ids(discarded)
    assert "The ferry has left" in developer_client.get(f"{HERE}?state=discarded").content.decode()
    assert shown(developer_client, "state=done&connection=x&before=") == set()


def test_counts_by_reason_lead_to_those_letters_and_back(developer_client, account):
    factories.DeadLetterFactory.create_batch(2, reason="gave-up")
    factories.DeadLetterFactory(reason="refused")

    page = developer_client.get(f"{HERE}?kind=command&reason=gave-up").content.decode()

    assert re.findall(r'class="reason" href="([^"]+)"', page) == [
        "?",
        "?kind=command&amp;reason=refused",
    ]
    assert "2 match" in page
    assert "Retry all 2…" in page


def test_list_goes_on_where_a_page_ended(developer_client, account, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    letters = factories.DeadLetterFactory.create_batch(3)

    first = developer_client.get(HERE).content.decode()
    [older] = re.findall(r'href="([^"]+)" rel="next"', first)
    second = developer_client.get(older.replace("&amp;", "&")).content.decode()

    assert set(LIST.findall(first)) | set(LIST.findall(second)) == ids(*letters)
    assert len(LIST.findall(second)) == 1
    assert developer_client.get(f"{HERE}?before=nonsense").status_code == 404


def test_list_answers_by_itself_only_when_something_changed(developer_client, account):
    letter = factories.DeadLetterFactory()
    page = developer_client.get(HERE, headers={"HX-Request": "true"}).content.decode()
    [seen] = re.findall(r"seen=([0-9a-f]+)", page)

    same = developer_client.get(f"{HERE}?seen={seen}", headers={"HX-Request": "true"})
    DeadLetter.objects.filter(pk=letter.pk).update(state=LetterState.RETRYING)
    changed = developer_client.get(f"{HERE}?seen={seen}", headers={"HX-Request": "true"})

    assert same.status_code == 204
    assert "Being retried" in changed.content.decode()


def test_empty_list_says_what_would_be_here(developer_client, account):
    page = developer_client.get(HERE).content.decode()

    assert "Nothing was given up" in page
    assert "kind=letters" in page


@pytest.mark.parametrize(("count", "badge"), [(0, None), (1, "1"), (100, "99+")])
def test_navigation_tells_how_many_wait(developer_client, account, count, badge):
    factories.DeadLetterFactory.create_batch(count)
    factories.DeadLetterFactory(state=LetterState.DONE, closed_at=timezone.now())

    page = developer_client.get(at("list")).content.decode()

    found = re.search(r'class="counter"><span[^>]+>[^<]+</span>([^<]+)<', page)
    assert (found and found[1]) == badge


# One ----------------------------------------------------------------------------------------------


def test_page_of_a_letter_shows_what_a_person_needs(developer_client, account):
    command = factories.DeadLetterFactory(command__fields={"text": "Ahoy"})
    event = of_event()
    notification = of_notification()

    texts = {
        each.kind: developer_client.get(at("dead-letter", each.pk)).content.decode()
        for each in (command, event, notification)
    }

    assert "Ahoy" in texts["command"]
    assert at("trace", command.command.event_id) in texts["command"]
    assert at("trace", event.event_id) in texts["event"]
    assert "&quot;cannot&quot;: &quot;read&quot;" in texts["notification"]
    for letter in (command, event, notification):
        assert at("conversation", letter.conversation_id) in texts[letter.kind]


def test_retry_asks_who_will_see_what_and_then_does_it(developer_client, account):
    letter = factories.DeadLetterFactory(command__fields={"text": "Ahoy"})
    received_at = timezone.now() - timezone.timedelta(hours=3, minutes=5)
    type(letter.command.event).objects.update(received_at=received_at)
    url = f"{at('dead-letter-retry', letter.pk)}?back=kind%3Dcommand"

    question = developer_client.get(url).content.decode()
    answer = developer_client.post(url)
    again = developer_client.post(url, follow=True)

    assert "The consumer gets this message now, 3 h after the event: “Ahoy”" in question
    assert answer["Location"] == f"{HERE}?kind=command"
    letter.refresh_from_db()
    assert (letter.state, letter.retried_by) == (LetterState.RETRYING, "dana")
    assert "Cannot retry it" in again.content.decode()
    assert AuditEntry.objects.count() == 1


def test_what_may_arrive_twice_or_is_stopped_is_said_before(developer_client, account):
    letter = factories.DeadLetterFactory(
        command__state=CommandState.UNCERTAIN, command__type="transfer",
        command__fields={"skillId": "7"},
    )  # fmt: skip
    Connection.objects.update(active=False)

    question = developer_client.get(at("dead-letter-retry", letter.pk)).content.decode()

    assert "The conversation moves to skill 7 now" in question
    assert "It is not known whether the transfer arrived before" in question
    assert "The transfer is stopped: The connection was switched off meanwhile" in question
    assert 'name="insists"' not in question


def test_discarding_keeps_the_note_and_can_be_undone(admin_client, account):
    letter = factories.DeadLetterFactory()
    discard = f"{at('dead-letter-discard', letter.pk)}?back=letter"

    too_long = admin_client.post(discard, {"note": "x" * 301})
    done = admin_client.post(discard, {"note": "Nobody waits"}, follow=True).content.decode()
    admin_client.post(at("dead-letter-put-back", letter.pk))

    assert too_long.status_code == 422
    assert "Nobody waits" in done
    letter.refresh_from_db()
    assert (letter.state, letter.note) == (LetterState.OPEN, "")
    assert sorted(AuditEntry.objects.values_list("action", flat=True)) == [
        "dead-letter.discarded",
        "dead-letter.put-back",
    ]


def test_the_account_team_reads_and_changes_nothing(team_client, account):
    letter = factories.DeadLetterFactory()
    event_id = letter.command.event_id

    page = team_client.get(HERE).content.decode()
    statuses = {
        team_client.post(url).status_code
        for url in (
            at("dead-letter-retry", letter.pk),
            at("dead-letter-discard", letter.pk),
            at("dead-letter-put-back", letter.pk),
            at("dead-letters-retry"),
            at("dead-letters-discard"),
            at("redeliver", event_id),
        )
    }

    assert "Admins and developers of the account retry and discard them" in page
    assert "Retry…" not in page
    assert "Redeliver" not in team_client.get(at("trace", event_id)).content.decode()
    assert statuses == {403}
    assert DeadLetter.objects.get().state == LetterState.OPEN


# Many ---------------------------------------------------------------------------------------------


def carried(page):
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))


def test_all_that_match_are_retried_step_by_step(developer_client, account, monkeypatch):
    monkeypatch.setattr(dead_letters.many, "MOST_AT_ONCE", 2)
    factories.DeadLetterFactory.create_batch(3, reason="gave-up")
    factories.DeadLetterFactory(reason="refused")
    url = at("dead-letters-retry")

    question = developer_client.get(f"{url}?reason=gave-up").content.decode()
    first = developer_client.post(url, {"reason": "gave-up"}).content.decode()
    # They went through, as far as the workers are concerned.
    DeadLetter.objects.filter(state=LetterState.RETRYING).update(
        state=LetterState.DONE, closed_at=timezone.now()
    )
    second = developer_client.post(
        url, carried(first), headers={"HX-Request": "true"}
    ).content.decode()
    DeadLetter.objects.filter(state=LetterState.RETRYING).update(state=LetterState.OPEN)
    last = developer_client.post(url, carried(second), headers={"HX-Request": "true"})

    assert "Retry 3 dead letters" in question
    assert carried(question)["reason"] == "gave-up"
    assert "2 of 3 are tried again: 0 went through, 0 failed again, 2 are under way" in first
    assert "3 of 3 are tried again: 2 went through, 0 failed again, 1 is under way" in second
    assert "3 of 3 are tried again: 2 went through, 1 failed again." in last.content.decode()
    assert 'hx-trigger="load' not in last.content.decode()
    assert [entry.words for entry in AuditEntry.objects.all()] == ["retried 3 dead letters"]


def test_all_that_match_are_discarded_with_one_note(developer_client, account):
    factories.DeadLetterFactory.create_batch(3, reason="gave-up")
    other = factories.DeadLetterFactory(reason="refused")
    url = at("dead-letters-discard")

    wrong = developer_client.post(url, {"reason": "gave-up", "note": "x" * 301})
    done = developer_client.post(url, {"reason": "gave-up", "note": "It was down"})

    assert wrong.status_code == 422
    assert "Discard 3 dead letters" in wrong.content.decode()
    assert "3 of 3 are discarded" in done.content.decode()
    assert shown(developer_client) == ids(other)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"after": "x"},
        {"begun": "soon", "total": "many", "done": "-"},
        {"begun": "2026-13-45T00:00:00Z"},
        {"begun": "2026-06-01T12:00"},
        {"begun": "0001-01-01T00:00+23:59"},
        {"total": "9" * 5000, "done": "9" * 5000},
        {"since": "0001-01-01T00:00+23:59"},
    ],
)
def test_forged_step_is_no_failure(developer_client, account, nonsense):
    factories.DeadLetterFactory()

    answer = developer_client.post(at("dead-letters-retry"), nonsense)

    assert answer.status_code == (404 if "after" in nonsense else 200)


# Redeliver ----------------------------------------------------------------------------------------


def failed_event(*states):
    event = factories.EventFactory(state=EventState.DONE, verdict=Verdict.FAILED)
    for state in states:
        factories.CommandFactory(event=event, state=state, fields={"text": state})
    return event


def test_trace_offers_what_failed_or_is_uncertain(developer_client, account):
    event = failed_event("failed", "uncertain", "sent", "stale")

    page = developer_client.get(at("trace", event.pk)).content.decode()

    failed, uncertain = dead_letters.redeliverable(event)
    offered = re.findall(r'href="[^"]+\?command=([0-9a-f-]+)"', page)
    assert offered == [str(failed.pk), str(uncertain.pk)]
    assert "Redeliver all 2…" in page


def test_one_command_or_all_of_an_event_are_sent_again(developer_client, account):
    event = failed_event("failed", "uncertain")
    failed, uncertain = dead_letters.redeliverable(event)
    url = at("redeliver", event.pk)

    question = developer_client.get(url).content.decode()
    one = developer_client.post(f"{url}?command={failed.pk}")
    states = dict(Command.objects.values_list("pk", "state"))
    developer_client.post(url)
    nothing = developer_client.post(url, follow=True).content.decode()

    assert "Redeliver all 2" in question
    assert one["Location"] == at("trace", event.pk)
    assert states == {failed.pk: "pending", uncertain.pk: "uncertain"}
    assert set(Command.objects.values_list("state", flat=True)) == {"pending"}
    assert "Cannot redeliver it" in nothing
    assert "sent again by dana" in nothing
    # Where there was no letter, as before there were any, there is one now.
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {LetterState.RETRYING}


def test_command_of_another_event_is_not_sent_again_below_this_one(developer_client, account):
    event, other = failed_event("failed"), failed_event("failed")
    [theirs] = dead_letters.redeliverable(other)

    answer = developer_client.post(
        f"{at('redeliver', event.pk)}?command={theirs.pk}", follow=True
    ).content.decode()

    assert "Cannot redeliver it" in answer
    assert set(Command.objects.values_list("state", flat=True)) == {"failed"}


def test_person_can_insist_where_a_guard_would_stop_it(developer_client, account):
    letter = factories.DeadLetterFactory()
    event = letter.command.event
    state = {
        "conv_id": event.conversation.conv_id,
        "state": "OPEN", "last_agent_ts": int(timezone.now().timestamp() * 1000) + 5_000,
        "consumer_id": "consumer-1",
    }  # fmt: skip
    type(event.conversation).objects.update(state=state)
    url = at("dead-letter-retry", letter.pk)

    question = developer_client.get(url).content.decode()
    developer_client.post(url, {"insists": "on"})

    assert "The message is stopped: An agent has written since the event" in question
    assert 'name="insists"' in question
    letter.refresh_from_db()
    assert letter.insists is True
