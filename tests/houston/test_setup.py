"""From a new account to one whose webhook takes notifications."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

import pytest
from django.urls import reverse

from houston import services
from houston.models import Account
from invoker.models import AutomaticMessage, AutomaticText, Connection, ControllerBot, Notification
from tests import factories

GENERIC = {"platform": "generic", "name": "Production", "callback_url": "https://crm.example/in"}
LIVEPERSON = {
    "platform": "liveperson",
    "name": "LivePerson",
    "client_id": "client-1",
    "client_secret": 's3cret\';"quoted"',
}
CHATWOOT = {
    "platform": "chatwoot",
    "name": "Chatwoot",
    "api_url": "https://chat.example",
    "api_account": "1",
    "api_token": "token-1",
    "webhook_secret": "hook-secret",
}


@pytest.fixture
def new_account(db):
    return factories.AccountFactory(id="fresh1", name="Fresh")


def notify(client, connection):
    """Send what a platform would send when a conversation opens."""
    now = int(time.time())
    event = {
        "specversion": "1.0",
        "id": f"{connection.pk}-{time.time_ns()}",
        "source": "/test",
        "type": "com.houston.messaging.conversation.updated",
        "data": {
            "conversationId": "conversation-1",
            "state": "OPEN",
            "startTs": now * 1000,
            "updatedTs": now * 1000,
            "participants": [{"id": "consumer-1", "role": "CONSUMER"}],
        },
    }
    body = json.dumps(event)
    key = base64.b64decode(connection.signing_secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{now}.{now}.{body}".encode(), hashlib.sha256).digest()
    return client.post(
        f"/events/{connection.pk}",
        body,
        content_type="application/cloudevents+json",
        headers={
            "webhook-id": str(now),
            "webhook-timestamp": str(now),
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        },
    )


def test_account_team_creates_an_account_and_is_led_to_its_set_up(team_client):
    response = team_client.post("/accounts/new/", {"account_id": "brand42", "name": "Brand"})

    assert response["Location"] == "/a/brand42/setup/"
    assert Account.objects.get().name == "Brand"


@pytest.mark.parametrize(
    ("account_id", "message"),
    [
        ("with space", "use 1 to 32 letters and digits"),
        ("../etc", "use 1 to 32 letters and digits"),
        ("brand\n", None),
        ("\uff42rand", "use 1 to 32 letters and digits"),
        ("acme1", "there is one with this id"),
        ("", "This field is required"),
    ],
)
def test_account_ids_are_checked(team_client, account, account_id, message):
    response = team_client.post("/accounts/new/", {"account_id": account_id, "name": "Brand"})

    if message is None:
        assert response["Location"] == "/a/brand/setup/"
    else:
        assert response.status_code == 422
        assert message in response.content.decode()
        assert Account.objects.count() == 1


def test_webhook_answers_403_until_both_steps_are_done(team_client, new_account):
    connection = factories.ConnectionFactory(account_id=new_account.pk)
    before = notify(team_client, connection)

    team_client.post(reverse("setup-controller-bot", args=["fresh1"]), GENERIC)
    between = notify(team_client, connection)
    team_client.post(reverse("setup-functions", args=["fresh1"]))
    after = notify(team_client, connection)

    assert [before.status_code, between.status_code, after.status_code] == [403, 403, 202]
    assert before.json()["code"] == "controller-bot-not-set-up"
    assert between.json()["code"] == "functions-not-enabled"
    assert Notification.objects.count() == 1


def test_first_step_shows_the_secrets_once(team_client, new_account):
    sent = team_client.post(reverse("setup-controller-bot", args=["fresh1"]), GENERIC)
    first = team_client.get(sent["Location"])
    second = team_client.get(sent["Location"])
    connection = Connection.objects.get()

    assert first["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    for secret in (connection.signing_secret, connection.callback_secret):
        assert secret in first.content.decode()
        assert secret not in second.content.decode()
    assert f"http://127.0.0.1:8000/events/{connection.pk}" in first.content.decode()
    assert connection.callback_url == "https://crm.example/in"


def test_sessions_hold_no_secret(team_client, new_account):
    team_client.post(reverse("setup-controller-bot", args=["fresh1"]), GENERIC)

    connection = Connection.objects.get()
    kept = json.dumps(dict(team_client.session.items()))
    assert str(connection.pk) in kept
    assert connection.signing_secret not in kept
    assert connection.callback_secret not in kept


def test_first_step_for_liveperson_keeps_the_client_secret_to_itself(team_client, new_account):
    sent = team_client.post(reverse("setup-controller-bot", args=["fresh1"]), LIVEPERSON)
    page = team_client.get(sent["Location"]).content.decode()
    connection = Connection.objects.get()

    assert connection.signing_secret == LIVEPERSON["client_secret"]
    assert connection.client_id == "client-1"
    assert connection.callback_secret in page
    assert "s3cret" not in page
    assert "x-liveperson-client-id: client-1" in page


def test_steps_can_be_repeated_without_harm(team_client, team, new_account):
    other = factories.UserFactory(username="other", is_staff=True)
    for name, values in (("setup-controller-bot", GENERIC), ("setup-functions", {})):
        team_client.post(reverse(name, args=["fresh1"]), values)
    before = ControllerBot.objects.values().get(), Connection.objects.values().get()
    AutomaticMessage.objects.filter(subtype="BACK_TO_QUEUE").delete()
    AutomaticText.objects.filter(message__subtype="YOU_ARE_CONNECTED_TO").update(text="Mine")

    team_client.force_login(other)
    for name, values in (("setup-controller-bot", GENERIC), ("setup-functions", {})):
        team_client.post(reverse(name, args=["fresh1"]), values)

    assert (ControllerBot.objects.values().get(), Connection.objects.values().get()) == before
    assert before[0]["set_up_by"] == before[0]["functions_enabled_by"] == team.username
    assert AutomaticMessage.objects.filter(subtype="BACK_TO_QUEUE").exists()
    assert AutomaticText.objects.get(message__subtype="YOU_ARE_CONNECTED_TO").text == "Mine"


def test_second_step_waits_for_the_first(team_client, new_account):
    response = team_client.post(reverse("setup-functions", args=["fresh1"]), follow=True)

    assert "do the first step first" in response.content.decode()
    assert not ControllerBot.objects.exists()
    assert not AutomaticMessage.objects.exists()


def test_members_see_what_is_missing_and_cannot_do_it(developer_client, account):
    ControllerBot.objects.update(functions_enabled_at=None)

    page = developer_client.get(reverse("account-setup", args=[account.pk]))
    elsewhere = developer_client.get(reverse("connections", args=[account.pk]))
    tried = developer_client.post(reverse("setup-functions", args=[account.pk]))

    assert "Not done yet: the account team can do it" in page.content.decode()
    assert "<form" not in page.content.decode().split("<main", 1)[1].split("</main>", 1)[0]
    assert "Functions are not enabled: the account team can do it" in elsewhere.content.decode()
    assert tried.status_code == 403
    assert ControllerBot.objects.get().functions_enabled_at is None


def test_account_without_both_steps_says_what_is_missing():
    assert services.how_far(None).missing == [
        "The controller bot is not set up: the account team can do it",
        "Functions are not enabled: the account team can do it",
    ]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"callback_url": "ftp://host/"}, "callback_url"),
        ({"callback_url": "https://"}, "callback_url"),
        ({"callback_url": "https://user:secret@host/"}, "callback_url"),
        ({"callback_url": "https://host:99999/"}, "callback_url"),
        ({"callback_url": "https://[::1"}, "callback_url"),
        ({"callback_url": "https://host/ä"}, "callback_url"),
        ({"callback_url": "https://ho st/"}, "callback_url"),
        ({"callback_url": "https://host/#there"}, "callback_url"),
        ({"callback_url": "https://a..b/"}, "callback_url"),
        ({"callback_url": f"https://{'a' * 64}.example/"}, "callback_url"),
        ({"callback_url": "https://host\\@example.com/"}, "callback_url"),
        ({"callback_url": "https://host/" + "a" * 500}, "callback_url"),
        ({"platform": "liveperson"}, "client_id"),
        ({"platform": "liveperson", "client_id": "a", "client_secret": ""}, "client_secret"),
        ({"platform": "liveperson", "client_id": "a b", "client_secret": "x"}, "client_id"),
    ],
)
def test_first_step_says_which_value_is_wrong(team_client, new_account, values, field):
    response = team_client.post(
        reverse("setup-controller-bot", args=["fresh1"]), {**GENERIC, **values}
    )

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not Connection.objects.exists()
    assert not ControllerBot.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/commands",
        "http://receiver:9000/x",
        "https://crm.example/in?a=1&b=%C3%A4",
        "http://[::1]:80/",
    ],
)
def test_callback_urls_inside_an_own_network_are_fine(team_client, new_account, url):
    team_client.post(
        reverse("setup-controller-bot", args=["fresh1"]), {**GENERIC, "callback_url": url}
    )

    assert Connection.objects.get().callback_url == url


@pytest.mark.parametrize(
    "values", [GENERIC, LIVEPERSON, CHATWOOT, CHATWOOT | {"webhook_secret": ""}]
)
def test_shown_curl_example_is_taken_by_the_webhook(team_client, new_account, tmp_path, values):
    """Runs the shown lines in a shell, with a `curl` that writes down what it was given."""
    sent = team_client.post(reverse("setup-controller-bot", args=["fresh1"]), values)
    page = team_client.get(sent["Location"]).content.decode()
    team_client.post(reverse("setup-functions", args=["fresh1"]))
    script = unescape(re.search(r'<pre id="example-curl"[^>]*>(.*?)</pre>', page, re.DOTALL)[1])
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    curl.chmod(0o755)
    quoted = LIVEPERSON["client_secret"].replace("'", "'\\''")
    script = script.replace("your client secret", quoted)
    script = script.replace("your secret of the webhook", CHATWOOT["webhook_secret"])

    ran = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )

    arguments = ran.stdout.split("\0")[:-1]
    headers = dict(
        arguments[place + 1].split(": ", 1) for place, word in enumerate(arguments) if word == "-H"
    )
    address, body = arguments[1], arguments[-1]
    connection = Connection.objects.get()
    token = "" if connection.signs else f"/{connection.signing_secret}"
    assert address == f"http://127.0.0.1:8000/events/{connection.pk}{token}"
    response = team_client.post(
        address.removeprefix("http://127.0.0.1:8000"),
        body,
        content_type=headers.pop("content-type"),
        headers=headers,
    )
    assert response.json() == {"accepted": 1, "duplicates": 0}


def test_shown_python_example_is_taken_by_the_webhook(team_client, new_account, live_server):
    team_client.post(reverse("setup-controller-bot", args=["fresh1"]), GENERIC)
    page = team_client.get(reverse("account-setup", args=["fresh1"])).content.decode()
    team_client.post(reverse("setup-functions", args=["fresh1"]))
    script = unescape(re.search(r'<pre id="example-python"[^>]*>(.*?)</pre>', page, re.DOTALL)[1])
    script = script.replace("http://127.0.0.1:8000", live_server.url)

    ran = subprocess.run(
        ["/usr/bin/env", "python3", "-c", script], capture_output=True, text=True, check=False
    )

    assert json.loads(ran.stdout) == {"accepted": 1, "duplicates": 0}


def unescape(text):
    for entity, character in (("&quot;", '"'), ("&#x27;", "'"), ("&gt;", ">"), ("&lt;", "<")):
        text = text.replace(entity, character)
    return text.replace("&amp;", "&")


# The simulator ------------------------------------------------------------------------------------

SIMULATOR = {"platform": "simulator", "name": "Simulator"}


def test_simulator_is_the_first_platform_and_one_press_sets_it_up(team_client, new_account):
    page = team_client.get(reverse("account-setup", args=["fresh1"]))
    offered = page.context["platforms"]
    field = page.context["form"]["name"]
    assert offered[0] == ("simulator", "Simulator (built in)")
    assert page.context["form"]["platform"].value() == "simulator"
    assert "A messaging platform inside the console" in page.content.decode()

    # What the browser sends when nothing is typed.
    sent = team_client.post(
        reverse("setup-controller-bot", args=["fresh1"]),
        {"platform": "simulator", "name": field.value()},
    )
    shown = team_client.get(sent["Location"]).content.decode()

    connection = Connection.objects.get()
    assert (connection.platform, connection.name) == ("simulator", "Simulator")
    assert connection.message_delivery == "at_least_once"
    for outside in ("curl", "Shown once", str(connection.pk), connection.signing_secret):
        assert outside not in shown.split("<main", 1)[1]
    assert services.how_far(ControllerBot.objects.get()).controller_bot_set_up


def test_account_has_one_simulator(team_client, new_account):
    for values in (SIMULATOR, SIMULATOR):
        team_client.post(reverse("setup-controller-bot", args=["fresh1"]), values)
    there = Connection.objects.get()

    page = team_client.get(reverse("connection-new", args=["fresh1"]) + "?platform=simulator")
    refused = team_client.post(
        reverse("connection-new", args=["fresh1"]), {**SIMULATOR, "name": "Another"}
    )

    assert "simulator" not in dict(page.context["platforms"])
    assert page.context["form"]["platform"].value() == "generic"
    assert refused.status_code == 422
    assert refused.context["form"].errors == {
        "__all__": [
            'Cannot add the simulator "Another": the account has one, and any number of '
            "conversations are played with it"
        ]
    }
    assert Connection.objects.get() == there
