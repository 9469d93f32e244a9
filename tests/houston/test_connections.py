"""Connections as admins and the account team change them."""

import pytest
from django.urls import reverse

from invoker.models import Connection
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

    times = {each.name: each.last_received_at for each in page.context["connections"]}
    assert times["Unused"] is None
    assert times["Production"] == connection.notifications.get().received_at


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
    assert after[f"{which}_secret"] not in again


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


def test_settings_lead_to_the_connections(developer_client, account):
    response = developer_client.get(reverse("settings", args=[account.pk]))

    assert response["Location"] == reverse("connections", args=[account.pk])
