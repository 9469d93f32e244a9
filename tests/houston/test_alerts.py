"""The pages of alerts."""

import re

import pytest
from django.urls import reverse

from invoker.models import Alert
from tests import factories

WEBHOOK = {
    "kind": "errors",
    "function": "",
    "threshold": "5",
    "window_min": "15",
    "min_count": "20",
    "channel": "webhook",
    "target": "https://hooks.example/in",
    "repeat_h": "0",
}


def url(name, alert=None):
    return reverse(name, args=["acme1", *([alert.pk] if alert else [])])


@pytest.mark.parametrize("who", ["admin_client", "developer_client", "team_client"])
def test_admins_developers_and_the_team_may_add_an_alert(account, request, who):
    client = request.getfixturevalue(who)

    response = client.post(url("alert-new"), WEBHOOK)

    alert = Alert.objects.get()
    assert response["Location"] == url("alert", alert)
    assert alert.title == "5 % of runs of all functions fail within 15 minutes"


def test_secret_is_shown_once(admin_client, account):
    admin_client.post(url("alert-new"), WEBHOOK)
    alert = Alert.objects.get()

    first, second = (admin_client.get(url("alert", alert)).content.decode() for _ in range(2))

    assert alert.secret in first
    assert alert.secret not in second
    assert re.search(r"whsec_", second) is None


def test_new_secret_is_shown_after_rotating(admin_client, account):
    alert = factories.AlertFactory()

    admin_client.post(url("alert-rotate", alert))

    secret = Alert.objects.get().secret
    assert secret != alert.secret
    assert secret in admin_client.get(url("alert", alert)).content.decode()


def test_alert_for_a_function(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    developer_client.post(url("alert-new"), {**WEBHOOK, "function": str(function.pk)})

    assert Alert.objects.get().function_name == "greet"


def test_alert_for_dead_letters_has_a_number_and_no_window(developer_client, account):
    page = developer_client.get(f"{url('alert-new')}?kind=letters").content.decode()
    sent = {"kind": "letters", "threshold": "3", "channel": "webhook",
            "target": "https://hooks.example/in", "repeat_h": "0"}  # fmt: skip

    developer_client.post(url("alert-new"), sent)
    alert = Alert.objects.get()
    developer_client.post(url("alert", alert), {**sent, "threshold": "1"})

    assert 'name="window_min"' not in page
    assert alert.title == "3 dead letters wait"
    alert.refresh_from_db()
    assert alert.title == "Dead letters wait"


def test_alert_for_a_function_of_another_account_is_refused(developer_client, account):
    theirs = factories.FunctionFactory(account_id="other1")

    response = developer_client.post(url("alert-new"), {**WEBHOOK, "function": str(theirs.pk)})

    assert response.status_code == 422
    assert not Alert.objects.exists()


def test_alert_keeps_a_function_that_was_deleted(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    alert = factories.AlertFactory(function_id=function.pk, function_name="greet")
    function.delete()

    shown = developer_client.get(url("alert", alert)).content.decode()
    saved = developer_client.post(
        url("alert", alert), {**WEBHOOK, "function": str(alert.function_id)}
    )

    assert "greet (deleted)" in shown
    assert saved.status_code == 302
    assert Alert.objects.get().function_name == "greet"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"threshold": "101"}, "threshold"),
        ({"threshold": "9" * 30}, "threshold"),
        ({"threshold": ""}, "threshold"),
        ({"window_min": "7"}, "window_min"),
        ({"target": "hooks.example"}, "target"),
        ({"target": "\0"}, "target"),
        ({"channel": ""}, "channel"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field(admin_client, account, wrong, field):
    response = admin_client.post(url("alert-new"), {**WEBHOOK, **wrong})

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {field}


def test_page_of_an_alert_shows_why_a_message_did_not_arrive(admin_client, account, settings):
    settings.PRIVATE_NETWORKS = []
    alert = factories.AlertFactory(target="http://127.0.0.1:9/")

    answer = admin_client.post(url("alert-test", alert), follow=True)

    page = answer.content.decode()
    assert page.count("this is no public address") == 2  # the toast, and beside the message
    assert "Not delivered" in page
    assert "Not delivered" in admin_client.get(url("alerts")).content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(admin_client, account, count, django_assert_num_queries):
    for alert in factories.AlertFactory.create_batch(count):
        alert.tellings.create(kind="test", finding="x")

    # Session, user, membership, alerts, messages, set-up, accounts to switch to.
    with django_assert_num_queries(7):
        response = admin_client.get(url("alerts"))

    assert len(response.context["rows"]) == count


def test_empty_list_teaches_what_can_be_watched(admin_client, account):
    page = admin_client.get(url("alerts")).content.decode()

    assert all(f"?kind={kind}" in page for kind in ("errors", "latency", "silence", "deliveries"))


def test_form_says_where_no_email_is_sent(admin_client, account, settings):
    settings.EMAIL_CONFIGURED = False
    without = admin_client.get(url("alert-new")).content.decode()
    settings.EMAIL_CONFIGURED = True

    assert "HOUSTON_EMAIL_HOST" in without
    assert "HOUSTON_EMAIL_HOST" not in admin_client.get(url("alert-new")).content.decode()


def test_alert_is_deleted_after_a_question(admin_client, account):
    alert = factories.AlertFactory()

    question = admin_client.get(url("alert-delete", alert)).content.decode()
    admin_client.post(url("alert-delete", alert))

    assert "its history is gone" in question
    assert not Alert.objects.exists()
