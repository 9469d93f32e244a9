"""Connections as admins and the account team change them."""

import datetime as dt
import json

import pytest
from django.urls import reverse
from django.utils import timezone

from houston import connecting
from houston.views import notifications
from houston.views.notifications import NO_EVENT
from invoker import dispatch
from invoker.conversations import Note
from invoker.models import (
    AgentSession,
    Command,
    Connection,
    ControllerBot,
    Conversation,
    Event,
    Notification,
)
from tests import factories

SETTINGS = {"name": "Main", "callback_url": "", "message_delivery": "at_most_once"}


@pytest.fixture
def connection(account):
    return factories.ConnectionFactory(name="Production")


def address(connection, name="connection"):
    return reverse(name, args=[connection.account_id, connection.pk])


@pytest.mark.parametrize("count", [1, 3])
def test_list_query_count_does_not_grow(
    developer_client, account, django_assert_num_queries, count
):
    for connection in factories.ConnectionFactory.create_batch(count):
        factories.NotificationFactory(conversation__connection=connection)

    # Session, user, membership, connections, controller bot, account switch.
    with django_assert_num_queries(6):
        response = developer_client.get(reverse("connections", args=[account.pk]))

    assert response.content.count(b'<tr id="connection-') == count


def test_list_says_when_a_connection_was_last_used(developer_client, connection):
    factories.ConnectionFactory(name="Unused")
    factories.NotificationFactory(conversation__connection=connection)

    page = developer_client.get(reverse("connections", args=[connection.account_id]))

    times = {each.name: each.last_received_at for each, _ in page.context["connections"]}
    assert times["Unused"] is None
    assert times["Production"] == connection.notifications.get().received_at


def test_page_says_what_became_of_the_latest_notifications(
    admin_client, connection, django_assert_max_num_queries
):
    conversation = factories.ConversationFactory(connection=connection)
    kept = {"conversation": conversation}
    for number in range(12):
        factories.NotificationFactory(**kept, state="done", note="baseline", kind=f"k{number}")
    [event] = [
        factories.EventFactory(
            conversation=conversation,
            notification=factories.NotificationFactory(**kept, state="done"),
        )
    ]
    factories.NotificationFactory(**kept, state="failed", error="Cannot read <it>")
    factories.NotificationFactory(**kept, state="pending")
    factories.NotificationFactory(state="done", note="too-old", conversation__conv_id="other")

    with django_assert_max_num_queries(16):
        page = admin_client.get(address(connection)).content.decode()

    assert page.count("Tells of something from before the connection listened") == 7
    assert reverse("functions:trace", args=[connection.account_id, event.pk]) in page
    assert "Cannot read &lt;it&gt;" in page
    assert "Waits for its turn" in page
    assert "too long ago" not in page


@pytest.mark.parametrize("note", [each for each in Note if each])
def test_every_reason_for_no_event_has_a_sentence(note):
    assert NO_EVENT[note]


def test_developers_read_the_list_without_secrets_and_change_nothing(developer_client, connection):
    page = developer_client.get(reverse("connections", args=[connection.account_id]))
    names = ["connection", "connection-switch", "connection-rotate-signing"]
    tried = [developer_client.post(address(connection, name)).status_code for name in names]

    assert connection.signing_secret not in page.content.decode()
    assert address(connection) not in page.content.decode()
    assert tried == [403, 403, 403]
    answer = developer_client.get(reverse("connection-new", args=[connection.account_id]))
    assert answer.status_code == 403
    assert "You need the role admin in account acme1 here" in answer.content.decode()


@pytest.mark.parametrize("who", ["admin_client", "team_client"])
def test_admins_and_the_account_team_add_a_connection(request, account, who):
    client = request.getfixturevalue(who)

    sent = client.post(
        reverse("connection-new", args=[account.pk]), {"platform": "generic", "name": "Second"}
    )

    connection = Connection.objects.get()
    assert sent["Location"] == address(connection)
    assert connection.signing_secret in client.get(sent["Location"]).content.decode()
    assert connection.signing_secret not in client.get(sent["Location"]).content.decode()
    assert connection.created_by in {"ada", "tina"}


def test_names_are_unique_within_an_account(admin_client, connection):
    other = factories.ConnectionFactory(account_id="other1", name="Elsewhere")

    taken = admin_client.post(
        reverse("connection-new", args=[connection.account_id]),
        {"platform": "generic", "name": "Production"},
    )
    free = admin_client.post(
        reverse("connection-new", args=[connection.account_id]),
        {"platform": "generic", "name": other.name},
    )

    assert taken.status_code == 422
    assert taken.context["form"].errors == {
        "name": ['Cannot name a connection "Production": the account has one of this name']
    }
    assert free.status_code == 302


def test_settings_are_saved_and_nothing_else(admin_client, connection):
    before = Connection.objects.values().get()

    admin_client.post(
        address(connection), {**SETTINGS, "callback_url": "http://receiver:1/x", "active": ""}
    )

    assert Connection.objects.values().get() == {
        **before,
        "name": "Main",
        "callback_url": "http://receiver:1/x",
    }


def test_account_has_so_many_connections_and_no_more(admin_client, account):
    factories.ConnectionFactory.create_batch(connecting.MAX_CONNECTIONS)
    factories.ConnectionFactory(account_id=factories.AccountFactory().id)

    refused = admin_client.post(
        reverse("connection-new", args=[account.pk]),
        {"platform": "generic", "name": "One more", "callback_url": ""},
    )

    assert refused.status_code == 422
    assert refused.context["form"].non_field_errors() == [
        'Cannot add "One more": the account has 50 connections, change one that is no longer used'
    ]
    assert Connection.objects.filter(account_id=account.pk).count() == 50
    shown = admin_client.get(reverse("connections", args=[account.pk]))
    assert "50 of at most 50 connections" in shown.content.decode()


def test_new_name_that_is_taken_leaves_the_connection_as_it_was(admin_client, connection):
    factories.ConnectionFactory(name="Main")

    response = admin_client.post(address(connection), SETTINGS)

    assert response.status_code == 422
    assert b"<h1>Production</h1>" in response.content
    assert Connection.objects.get(pk=connection.pk).name == "Production"


@pytest.mark.parametrize(("entered", "kept"), [("", "old"), ("new", "new")])
def test_liveperson_secret_is_kept_unless_a_new_one_is_entered(
    admin_client, account, entered, kept
):
    connection = factories.ConnectionFactory(
        platform="liveperson", client_id="client", signing_secret="old"
    )

    admin_client.post(
        address(connection), {**SETTINGS, "client_id": "client-2", "client_secret": entered}
    )

    connection.refresh_from_db()
    assert (connection.signing_secret, connection.client_id) == (kept, "client-2")


def test_liveperson_secret_is_not_ours_to_make(admin_client, account):
    connection = factories.ConnectionFactory(platform="liveperson", signing_secret="old")

    response = admin_client.post(address(connection, "connection-rotate-signing"), follow=True)

    assert "enter the new one in the connection&#x27;s settings" in response.content.decode()
    assert Connection.objects.get().signing_secret == "old"


@pytest.mark.parametrize("which", ["signing", "callback"])
def test_rotated_secret_is_new_and_shown_once(admin_client, connection, which):
    before = Connection.objects.values("signing_secret", "callback_secret").get()
    name = f"connection-rotate-{which}"

    question = admin_client.get(address(connection, name))
    unchanged = Connection.objects.values("signing_secret", "callback_secret").get()
    sent = admin_client.post(address(connection, name))
    page = admin_client.get(sent["Location"]).content.decode()
    again = admin_client.get(sent["Location"]).content.decode()

    after = Connection.objects.values("signing_secret", "callback_secret").get()
    assert f"Rotate the {which} secret" in question.content.decode()
    assert unchanged == before
    assert {key for key in after if after[key] != before[key]} == {f"{which}_secret"}
    shown = {key for key, value in after.items() if value in page}
    assert shown == {f"{which}_secret"}
    assert before[f"{which}_secret"] not in page
    assert after[f"{which}_secret"] not in again


@pytest.mark.parametrize("keep", ["", "day", "week", "no"])
@pytest.mark.parametrize("which", ["signing", "callback"])
def test_rotated_secret_holds_for_as_long_as_was_chosen(
    admin_client, connection, which, keep, time_machine
):
    days = {"week": 7, "no": 0}.get(keep, 1)
    time_machine.move_to(dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC), tick=False)
    old = getattr(connection, f"{which}_secret")

    sent = admin_client.post(address(connection, f"connection-rotate-{which}"), {"keep": keep})
    page = admin_client.get(sent["Location"]).content.decode()

    connection.refresh_from_db()
    new = getattr(connection, f"{which}_secret")
    assert getattr(connection, f"{which}_secrets") == ([new, old] if days else [new])
    assert ("End it now" in page) == bool(days)
    time_machine.shift(dt.timedelta(days=days))
    assert getattr(connection, f"{which}_secrets") == [new]
    assert "End it now" not in admin_client.get(sent["Location"]).content.decode()


@pytest.mark.parametrize("which", ["signing", "callback"])
def test_previous_secret_is_ended_before_its_time(admin_client, connection, which):
    admin_client.post(address(connection, f"connection-rotate-{which}"))
    question = admin_client.get(address(connection, f"connection-end-{which}"))

    page = admin_client.post(address(connection, f"connection-end-{which}"), follow=True)

    connection.refresh_from_db()
    assert f"End the previous {which} secret" in question.content.decode()
    assert getattr(connection, f"{which}_secrets") == [getattr(connection, f"{which}_secret")]
    assert getattr(connection, f"previous_{which}_secret") == ""
    assert "holds no longer" in page.content.decode()


def test_rotating_again_leaves_two_secrets(admin_client, connection):
    first = connection.signing_secret
    admin_client.post(address(connection, "connection-rotate-signing"))
    connection.refresh_from_db()
    second = connection.signing_secret

    admin_client.post(address(connection, "connection-rotate-signing"))

    connection.refresh_from_db()
    assert connection.signing_secrets == [connection.signing_secret, second]
    assert first not in connection.signing_secrets


def test_no_other_time_can_be_chosen(admin_client, connection):
    before = connection.signing_secret

    refused = admin_client.post(
        address(connection, "connection-rotate-signing"), {"keep": "for ever"}
    )

    connection.refresh_from_db()
    assert (refused.status_code, connection.signing_secret) == (422, before)


def test_replaced_secret_of_liveperson_holds_for_a_while(admin_client, account):
    connection = factories.ConnectionFactory(
        platform="liveperson", signing_secret="old", client_id="client-1"
    )
    typed = {
        "name": connection.name,
        "client_id": "client-1",
        "client_secret": "new",
        "message_delivery": "at_most_once",
    }

    admin_client.post(address(connection), typed)
    connection.refresh_from_db()
    both = connection.signing_secrets
    admin_client.post(address(connection), {**typed, "client_secret": "newest", "keep": "no"})
    connection.refresh_from_db()

    assert (both, connection.signing_secrets) == (["new", "old"], ["newest"])


def test_question_is_a_dialog_for_htmx(admin_client, connection):
    response = admin_client.get(
        address(connection, "connection-switch"), headers={"HX-Request": "true"}
    )

    assert response.content.lstrip().startswith(b"<dialog")


def test_connection_is_switched_off_and_on(admin_client, connection):
    admin_client.post(address(connection, "connection-switch"))
    off = Connection.objects.get().active
    admin_client.post(address(connection, "connection-switch"), {"active": "yes"})
    on = Connection.objects.get().active

    assert (off, on) == (False, True)


# Chatwoot -----------------------------------------------------------------------------------------

CHATWOOT = {
    "platform": "chatwoot",
    "name": "Chatwoot",
    "api_url": "https://chat.example/",
    "api_account": "1",
    "api_token": "token-1",
    "webhook_secret": "hook-secret",
    "own_id": "",
}


def add(client, values):
    return client.post(reverse("connection-new", args=["acme1"]), values, follow=True)


def test_chatwoot_that_signs_keeps_what_was_entered_to_itself(admin_client, account):
    page = add(admin_client, CHATWOOT).content.decode()

    connection = Connection.objects.get()
    assert (connection.signs, connection.signing_secret) == (True, "hook-secret")
    assert (connection.api_url, connection.api_token) == ("https://chat.example", "token-1")
    assert "hook-secret" not in page
    assert "token-1" not in page
    assert f"/events/{connection.pk}<" in page


def test_chatwoot_that_does_not_sign_gets_a_secret_address_that_is_shown_once(
    admin_client, account
):
    page = add(admin_client, CHATWOOT | {"webhook_secret": "", "own_id": "12"}).content.decode()

    connection = Connection.objects.get()
    assert (connection.signs, connection.own_ids) == (False, ["12"])
    assert f"/events/{connection.pk}/{connection.signing_secret}" in page
    again = admin_client.get(address(connection)).content.decode()
    assert connection.signing_secret not in again

    old = connection.signing_secret
    page = admin_client.post(address(connection, "connection-rotate-signing"), follow=True)
    connection.refresh_from_db()
    assert connection.signing_secret != old
    assert connection.signing_secret in page.content.decode()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"api_url": ""}, "api_url"),
        ({"api_url": "chat.example"}, "api_url"),
        ({"api_account": "one"}, "api_account"),
        ({"api_account": "\u0661"}, "api_account"),
        ({"api_token": ""}, "api_token"),
        ({"api_token": "two words"}, "api_token"),
        ({"webhook_secret": "two words"}, "webhook_secret"),
        ({"own_id": "me"}, "own_id"),
    ],
)
def test_chatwoot_connection_says_which_value_is_wrong(admin_client, account, changed, field):
    page = add(admin_client, CHATWOOT | changed)

    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert not Connection.objects.exists()


CHATWOOT_SETTINGS = {
    "name": "Chatwoot",
    "message_delivery": "at_most_once",
    "api_url": "https://chat.example",
    "api_account": "1",
    "api_token": "",
    "webhook_secret": "",
    "own_id": "",
}


@pytest.fixture
def chatwoot(admin_client, account):
    add(admin_client, CHATWOOT)
    return Connection.objects.get()


def test_chatwoot_keeps_its_secrets_unless_new_ones_are_entered(admin_client, chatwoot):
    admin_client.post(address(chatwoot), CHATWOOT_SETTINGS | {"own_id": "7"})
    chatwoot.refresh_from_db()
    assert (chatwoot.api_token, chatwoot.signing_secret) == ("token-1", "hook-secret")
    assert chatwoot.own_ids == ["7"]

    new = {"api_token": "token-2", "webhook_secret": "hook-2"}
    admin_client.post(address(chatwoot), CHATWOOT_SETTINGS | new)
    chatwoot.refresh_from_db()
    assert (chatwoot.api_token, chatwoot.signing_secret) == ("token-2", "hook-2")


def test_chatwoot_token_is_not_sent_to_another_host(admin_client, chatwoot):
    moved = CHATWOOT_SETTINGS | {"api_url": "https://evil.example"}

    page = admin_client.post(address(chatwoot), moved)

    assert "api_token" in page.context["form"].errors
    chatwoot.refresh_from_db()
    assert chatwoot.api_url == "https://chat.example"


def test_chatwoot_secret_is_not_ours_to_make(admin_client, chatwoot):
    page = admin_client.post(address(chatwoot, "connection-rotate-signing"), follow=True)

    assert "Chatwoot makes it" in page.content.decode()


# The agent socket ---------------------------------------------------------------------------------

KEYS = {"app_key": "k1", "app_secret": "k2", "access_token": "k3", "access_token_secret": "k4"}
AGENT = {"platform": "liveperson", "name": "Bot", "bot_user": "houston", **KEYS}


def login(connection):
    return json.loads(connection.agent_login)


def test_bot_user_alone_is_enough_for_liveperson(admin_client, account):
    page = add(admin_client, AGENT).content.decode()

    connection = Connection.objects.get()
    assert login(connection) == {
        "username": "houston", "appKey": "k1", "secret": "k2", "accessToken": "k3",
        "accessTokenSecret": "k4",
    }  # fmt: skip
    assert "by the agent socket alone" in page
    assert "Nobody holds it" in page
    for key in KEYS.values():
        assert f">{key}<" not in page
        assert f'"{key}"' not in page


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"app_key": ""}, "app_key"),
        ({"access_token_secret": "two words"}, "access_token_secret"),
        ({"bot_user": ""}, "bot_user"),
        ({"close_mode": "door"}, "close_mode"),
    ],
)
def test_agent_login_is_all_or_nothing(admin_client, account, changed, field):
    page = add(admin_client, AGENT | changed)

    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert not Connection.objects.exists()


def test_agent_login_is_kept_changed_and_removed(admin_client, account):
    add(admin_client, AGENT)
    connection = Connection.objects.get()
    settings = {**SETTINGS, "close_mode": "dialog", "bot_user": "houston"}

    admin_client.post(address(connection), settings)
    connection.refresh_from_db()
    assert (login(connection)["appKey"], connection.close_mode) == ("k1", "dialog")

    page = admin_client.post(address(connection), settings | {"bot_user": "other"})
    assert "app_key" in page.context["form"].errors

    admin_client.post(address(connection), settings | KEYS | {"app_key": "new"})
    connection.refresh_from_db()
    assert login(connection)["appKey"] == "new"

    app = {"client_id": "client-1", "client_secret": "s3cret"}
    admin_client.post(address(connection), SETTINGS | app)
    connection.refresh_from_db()
    assert (connection.agent_login, connection.client_id) == ("", "client-1")


def test_app_that_is_taken_away_signs_nothing_any_more(admin_client, account):
    add(admin_client, AGENT | {"client_id": "client-1", "client_secret": "s3cret"})
    connection = Connection.objects.get()
    assert connection.signing_secret == "s3cret"

    admin_client.post(address(connection), {**SETTINGS, "bot_user": "houston"})

    connection.refresh_from_db()
    assert connection.client_id == ""
    assert connection.signing_secret != "s3cret"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"state": "connected"}, "held by host-1"),
        ({"state": "refused", "detail": "the login was refused with 401"}, "refused with 401"),
        ({"state": "waiting", "detail": "the platform closed it"}, "the platform closed it"),
        ({"state": "connecting"}, "Connecting"),
        ({"state": "connected", "ago_s": 60}, "Nobody holds it"),
    ],
)
def test_page_says_how_the_agent_socket_is_doing(admin_client, account, facts, sentence):
    add(admin_client, AGENT)
    connection = Connection.objects.get()
    now = timezone.now()
    ends = now + dt.timedelta(seconds=10 - facts.pop("ago_s", 0))
    AgentSession.objects.create(
        connection=connection, holder="host-1", lease_until=ends, connected_at=now, **facts
    )

    assert sentence in admin_client.get(address(connection)).content.decode()


def test_list_says_which_agent_socket_is_away(admin_client, account, django_assert_max_num_queries):
    add(admin_client, AGENT)
    add(admin_client, {**AGENT, "name": "Second"})
    now = timezone.now()
    AgentSession.objects.create(
        connection=Connection.objects.get(name="Second"),
        lease_until=now + dt.timedelta(seconds=10),
        state="connected",
    )

    with django_assert_max_num_queries(12):
        page = admin_client.get(reverse("connections", args=[account.pk])).content.decode()

    assert page.count("The agent socket") == 2
    assert page.count("Nobody holds it") == 1
    assert page.count("Connected") == 1


def test_agent_socket_is_closed_until_functions_are_enabled(admin_client, account):
    add(admin_client, AGENT)
    connection = Connection.objects.get()
    ControllerBot.objects.update(functions_enabled_at=None)

    page = admin_client.get(address(connection)).content.decode()

    assert "Functions are not enabled for the account yet" in page
    assert "Nobody holds it" not in page


def test_connection_that_is_switched_on_again_listens_from_then_on(admin_client, connection):
    before = connection.listening_since
    switch = address(connection, "connection-switch")

    admin_client.post(switch, {"active": "yes"})
    connection.refresh_from_db()
    assert connection.listening_since == before

    admin_client.post(switch)
    admin_client.post(switch, {"active": "yes"})
    connection.refresh_from_db()
    assert connection.listening_since > before


# A test notification ------------------------------------------------------------------------------


def tried(client, connection):
    """Send a test, let the worker have its turn, and read the page it leads to."""
    response = client.post(address(connection, "connection-test"))
    dispatch.drain(Conversation.objects.get(connection=connection).pk)
    return response, client.get(response["Location"].partition("#")[0])


@pytest.mark.parametrize(
    "fields",
    [
        {"platform": "generic"},
        {"platform": "liveperson", "client_id": "app", "signing_secret": "sesame"},
        {"platform": "chatwoot", "signing_secret": "sesame", "api_account": "7"},
        {"platform": "chatwoot", "signing_secret": "sesame", "signs": False},
    ],
    ids=["generic", "liveperson", "chatwoot", "chatwoot that does not sign"],
)
def test_test_notification_arrives_and_leads_to_nothing(admin_client, account, fields):
    factories.deployed(event_type="controllerbot_messaging_new_conversation")
    tested = factories.ConnectionFactory(**fields)

    _, page = tried(admin_client, tested)
    again, _ = tried(admin_client, tested)

    shown = page.content.decode()
    stored = Notification.objects.order_by("pk")
    assert "The test notification arrived" in shown
    assert "poll from:body" not in shown
    assert "Test, sent by Houston itself" in shown
    assert [one.state for one in stored] == ["done", "done"]
    assert again["Location"].endswith(f"?test={stored.last().pk}#try")
    assert not Event.objects.exists()
    assert not Command.objects.exists()


def test_test_notification_is_awaited_on_the_page(admin_client, connection):
    response = admin_client.post(address(connection, "connection-test"))
    here = response["Location"].partition("#")[0]
    waiting = admin_client.get(here).content.decode()
    piece = admin_client.get(here, headers={"HX-Request": "true", "HX-Target": "try"})

    assert "waits for a worker" in waiting
    assert "poll from:body" in waiting
    assert piece.content.decode().strip().startswith('<div id="try"')


@pytest.mark.parametrize(
    ("model", "change", "said"),
    [
        (Connection, {"active": False}, "403 connection-disabled"),
        (ControllerBot, {"functions_enabled_at": None}, "403 functions-not-enabled"),
    ],
)
def test_test_notification_that_is_turned_away_says_why(
    admin_client, connection, model, change, said
):
    model.objects.update(**change)

    response = admin_client.post(address(connection, "connection-test"), follow=True)

    assert said in response.content.decode()
    assert not Notification.objects.exists()


def test_test_of_a_connection_by_socket_says_where_to_look(admin_client, account):
    tested = factories.ConnectionFactory(platform="liveperson", agent_login='{"username": "bot"}')

    response = admin_client.post(address(tested, "connection-test"), follow=True)

    assert "its notifications come by the agent socket" in response.content.decode()


@pytest.mark.parametrize("key", ["x", "0", "9" * 30, "\0"])
def test_page_shows_no_test_that_was_none(admin_client, connection, key):
    theirs = factories.NotificationFactory(request_id="test:1", connection=connection)

    for each in (key, str(theirs.pk)):
        page = admin_client.get(address(connection), {"test": each})
        assert "The test notification" not in page.content.decode()


# All notifications --------------------------------------------------------------------------------


def listed(client, connection, query=""):
    response = client.get(f"{address(connection, 'connection-notifications')}{query}")
    return [each.pk for each, _ in response.context["rows"]], response


def test_notifications_are_narrowed_by_what_they_led_to(admin_client, connection):
    led, none, failed = (
        factories.NotificationFactory(conversation__connection=connection, state=state)
        for state in ("done", "done", "failed")
    )
    factories.EventFactory(notification=led)
    factories.NotificationFactory()

    shown = {which: listed(admin_client, connection, f"?which={which}")[0]
             for which in ("", "events", "none", "failed", "weather")}  # fmt: skip

    everything = [failed.pk, none.pk, led.pk]
    assert shown == {
        "": everything,
        "events": [led.pk],
        "none": [none.pk],
        "failed": [failed.pk],
        "weather": everything,
    }


def test_pages_of_notifications_follow_each_other(admin_client, connection, monkeypatch):
    monkeypatch.setattr(notifications, "PAGE_SIZE", 2)
    made = factories.NotificationFactory.create_batch(3, conversation__connection=connection)

    first, response = listed(admin_client, connection)
    second = admin_client.get(response.context["older"]).context

    assert first == [made[2].pk, made[1].pk]
    assert [each.pk for each, _ in second["rows"]] == [made[0].pk]
    assert second["older"] == ""


@pytest.mark.parametrize("place", ["x", "9" * 30, "-1"])
def test_page_of_notifications_that_begins_nowhere_is_404(admin_client, connection, place):
    found = admin_client.get(address(connection, "connection-notifications"), {"before": place})

    assert found.status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_of_notifications_does_not_grow(
    admin_client, connection, count, django_assert_num_queries
):
    for one in factories.NotificationFactory.create_batch(
        count, conversation__connection=connection
    ):
        factories.EventFactory(notification=one)

    # Session, user, membership, connection, notifications, events, set-up, accounts to switch to.
    with django_assert_num_queries(8):
        listed(admin_client, connection)


# The simulator ------------------------------------------------------------------------------------


@pytest.fixture
def simulator(account):
    return factories.ConnectionFactory(platform="simulator", name="Simulator")


def test_page_of_the_simulator_has_no_secret_and_no_address(admin_client, simulator):
    page = admin_client.get(address(simulator)).content.decode().split("<main", 1)[1]
    listed = admin_client.get(reverse("connections", args=[simulator.account_id])).content.decode()

    for outside in ("curl", "/events/", "ecret…", "Callback", "crash", simulator.signing_secret):
        assert outside not in page
    assert reverse("functions:conversations", args=[simulator.account_id]) in page
    assert "The simulator's own conversations" in listed.replace("&#x27;", "'")


def test_secrets_of_the_simulator_are_not_rotated(admin_client, simulator):
    before = Connection.objects.values().get()

    for which in ("connection-rotate-signing", "connection-rotate-callback"):
        answer = admin_client.post(address(simulator, which), follow=True)
        assert "the simulator keeps its own" in answer.content.decode()

    assert Connection.objects.values().get() == before


def test_simulator_is_renamed_and_keeps_how_it_delivers(admin_client, simulator):
    admin_client.post(address(simulator), {"name": "Playground"})

    after = Connection.objects.get()
    assert (after.name, after.message_delivery) == ("Playground", "at_least_once")


def test_test_notification_of_the_simulator_is_no_conversation(admin_client, simulator):
    sent = admin_client.post(address(simulator, "connection-test"))
    dispatch.drain(Conversation.objects.get().pk)

    page = admin_client.get(sent["Location"].partition("#")[0]).content.decode()
    conversations = admin_client.get(
        reverse("functions:conversations", args=[simulator.account_id])
    ).content.decode()

    assert "The test notification arrived" in page
    assert "that the platform reaches the address" not in page
    assert "No conversations yet" in conversations
    assert not Event.objects.exists()
