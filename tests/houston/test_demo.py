"""The demo account: the same at every run."""

import io
import json
import stat

import pytest
from django.core.management import CommandError, call_command

from functions.models import Function
from houston import services
from houston.models import Account, ApiClient, User
from invoker.models import Connection, ControllerBot
from tests import factories


def demo(**options):
    out = io.StringIO()
    call_command("demo", json=True, stdout=out, **options)
    return json.loads(out.getvalue())


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.HOUSTON_DEMO_PASSWORD = ""
    return tmp_path


@pytest.fixture
def without_sandbox(db):
    """An account that has a function gets no other, so nothing is built."""
    factories.FunctionFactory(account_id="demo1")


@pytest.mark.runtime
def test_demo_puts_a_working_function_in(db):
    demo()
    demo()

    function = Function.objects.get()
    assert (function.name, function.state) == ("greet", "Productive")
    assert function.event_type == "controllerbot_messaging_new_conversation"


def test_demo_gives_the_same_answer_again(without_sandbox):
    first = demo()
    second = demo()

    assert first == second
    assert [Account.objects.count(), User.objects.count(), Connection.objects.count()] == [1, 2, 3]


def test_demo_says_what_is_true(without_sandbox, client):
    found = demo()

    assert services.how_far(ControllerBot.objects.get()).complete
    client.post("/sign-in/", found["sign_in"])
    assert client.get("/").headers["Location"] == "/a/demo1/"
    client.post("/sign-out/")
    client.post("/sign-in/", found["team_sign_in"])
    assert client.get("/").headers["Location"] == "/accounts/"
    simulator, generic, liveperson = found["connections"]
    assert Connection.objects.order_by("created_at").first().platform == "simulator"
    assert simulator == {
        "id": simulator["id"], "platform": "simulator", "name": "Simulator"
    }  # fmt: skip
    assert (generic["platform"], liveperson["platform"]) == ("generic", "liveperson")
    assert liveperson["client_id"] == "demo-client"
    for each in (generic, liveperson):
        connection = Connection.objects.get(pk=each["id"])
        assert each["webhook_url"] == f"http://127.0.0.1:8000/events/{connection.pk}"
        assert each["signing_secret"] == connection.signing_secret
        assert each["callback_secret"] == connection.callback_secret
    client_row = ApiClient.objects.get(pk=found["api_client"]["client_id"])
    assert client_row.has_secret(found["api_client"]["client_secret"])


def test_demo_keeps_its_files_to_the_owner(without_sandbox, data_dir):
    demo()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
    assert modes == {"demo-password": 0o600, "demo-api-client-secret": 0o600}


def test_demo_takes_the_password_from_the_environment(without_sandbox, settings):
    demo()
    settings.HOUSTON_DEMO_PASSWORD = "chosen by somebody"

    found = demo()

    assert found["sign_in"]["password"] == "chosen by somebody"
    assert User.objects.get(username="demo").check_password("chosen by somebody")


def test_demo_leaves_a_password_that_was_changed(without_sandbox):
    demo()
    user = User.objects.get(username="demo")
    user.set_password("my own")
    user.save()

    found = demo()

    user.refresh_from_db()
    assert found["sign_in"] == {"username": "demo", "password": None}
    assert user.check_password("my own")


def test_demo_gives_the_api_client_a_new_secret_when_the_old_is_lost(without_sandbox, data_dir):
    first = demo()["api_client"]
    (data_dir / "demo-api-client-secret").unlink()

    second = demo()["api_client"]

    assert first["client_id"] == second["client_id"]
    assert ApiClient.objects.get().has_secret(second["client_secret"])
    assert not ApiClient.objects.get().has_secret(first["client_secret"])


def test_demo_sets_the_callback_url_of_both_outside_connections(without_sandbox):
    demo(callback_url="http://127.0.0.1:9/x")

    found = demo()

    urls = [each.get("callback_url") for each in found["connections"]]
    assert urls == [None, "http://127.0.0.1:9/x", "http://127.0.0.1:9/x"]


def test_demo_says_what_is_wrong_with_a_callback_url(without_sandbox):
    with pytest.raises(CommandError, match="Cannot use this callback URL"):
        demo(callback_url="nowhere")

    assert not Account.objects.exists()


def test_demo_without_json_is_for_reading(without_sandbox):
    out = io.StringIO()

    call_command("demo", stdout=out)

    text = out.getvalue()
    assert "Account Demo (demo1) at http://127.0.0.1:8000/" in text
    assert str(Connection.objects.get(platform="generic").pk) in text
    assert "Connection Simulator\n  is played in the console, under Conversations\n" in text
