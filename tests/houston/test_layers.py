"""One account may do with few layers of the sandbox, several may not; whoever watches is told."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from houston import account_errors, health, layers, services
from houston.models import Account
from invoker import runtime
from tests import factories
from tests.stack.services import free_port

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found here must not be remembered in another test."""
    monkeypatch.setattr(health, "_sandbox", health.SandboxCheck())


@contextlib.contextmanager
def lacking(*names: str) -> Iterator[None]:
    """A sandbox without these layers."""
    directory = settings.SOCKET_DIR / "sandbox"
    runtime.configure(
        runtime.Config(directory=directory, layers=frozenset(runtime.LAYERS) - set(names))
    )
    try:
        yield
    finally:
        apps.get_app_config("invoker").ready()


@contextlib.contextmanager
def no_sandbox(tmp_path: Path) -> Iterator[None]:
    """A sandbox whose supervisor cannot be started."""
    (tmp_path / "file").touch()
    runtime.configure(runtime.Config(directory=tmp_path / "file" / "sandbox"))
    try:
        yield
    finally:
        apps.get_app_config("invoker").ready()


# A second account ---------------------------------------------------------------------------------


def test_several_accounts_are_made_where_all_layers_hold(account):
    services.create_account("second1", name="Second", by="ada")

    assert Account.objects.count() == 2


def test_first_account_is_made_whatever_is_missing(db):
    with lacking("no_new_privs", "rlimits"):
        services.create_account("first1", name="First", by="ada")

    assert Account.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rlimits", "only with resource limits, start Houston with higher hard limits"),
        ("no_new_privs", "only with no new privileges, run Houston on Linux"),
    ],
)
def test_second_account_is_refused_without_what_keeps_it_apart(team_client, account, name, reason):
    with lacking(name):
        response = team_client.post("/accounts/new/", {"account_id": "second1", "name": "Second"})
        with pytest.raises(account_errors.NotApartError) as refused:
            services.create_account("second1", name="Second", by="ada")

    assert response.status_code == 422
    said = "Cannot create the account &quot;second1&quot;: the sandbox holds several accounts apart"
    assert said in response.content.decode()
    assert reason in response.content.decode()
    assert refused.value.code == "sandbox-layers-missing"
    assert Account.objects.count() == 1


def test_second_account_is_made_without_what_only_stands_behind_the_engine(account):
    with lacking("landlock", "seccomp"):
        services.create_account("second1", name="Second", by="ada")

    assert Account.objects.count() == 2


def test_second_account_is_refused_when_nothing_is_known(account, tmp_path):
    with no_sandbox(tmp_path), pytest.raises(account_errors.NotApartError, match="does not answer"):
        services.create_account("second1", name="Second", by="ada")

    assert Account.objects.count() == 1


def test_id_that_is_taken_is_said_to_be_taken_whatever_is_missing(account):
    with lacking("rlimits"), pytest.raises(account_errors.AccountTakenError):
        services.create_account(account.pk, name="Again", by="ada")


# What readyz says ---------------------------------------------------------------------------------


def test_readyz_warns_of_a_layer_that_stands_behind_the_engine(client, account, outsider):
    with lacking("landlock", "seccomp"):
        check = client.get("/readyz").json()["checks"]["layers"]

    assert (check["ok"], check["warning"]) == (True, True)
    assert check["detail"] == (
        "Landlock is missing: run Houston on Linux 5.13 or newer with Landlock switched on; "
        "seccomp is missing: run Houston on x86-64 or ARM64 Linux, where filters of system calls "
        "are allowed"
    )


def test_readyz_warns_a_single_account_of_what_several_would_need(account):
    with lacking("rlimits"):
        check = health.check_all()["layers"]

    assert (check.ok, check.warning) == (True, True)
    assert check.detail.startswith("Resource limits is missing: start Houston with higher")


def test_readyz_fails_when_several_accounts_are_not_kept_apart(client, account, outsider):
    with lacking("rlimits"):
        response = client.get("/readyz")

    check = response.json()["checks"]["layers"]
    assert (response.status_code, check["ok"]) == (503, False)
    assert check["detail"] == (
        "Functions of several accounts do not run: the sandbox holds several accounts apart only "
        "with resource limits, start Houston with higher hard limits (ulimit -Hd, ulimit -Hn)"
    )


def test_readyz_fails_when_nothing_is_known(client, tmp_path, db):
    with no_sandbox(tmp_path):
        response = client.get("/readyz")

    assert response.json()["checks"]["layers"]["ok"] is False
    assert str(tmp_path) not in response.content.decode()


# The page -----------------------------------------------------------------------------------------


def test_health_is_for_the_account_team(client, developer_client, admin_client, team_client):
    assert client.get("/accounts/health/")["Location"].startswith("/sign-in/")
    assert developer_client.get("/accounts/health/").status_code == 403
    assert admin_client.get("/accounts/health/").status_code == 403
    assert team_client.get("/accounts/health/").status_code == 200
    assert team_client.post("/accounts/health/").status_code == 405


def test_team_finds_health_and_others_do_not(developer_client, team_client, account):
    link = '<a href="/accounts/health/"'

    assert link in team_client.get("/accounts/").content.decode()
    assert link in team_client.get(f"/a/{account.pk}/functions/").content.decode()
    assert link not in developer_client.get(f"/a/{account.pk}/functions/").content.decode()


def test_one_page_is_marked_as_the_present_one(team_client):
    marked = 'aria-current="page"'

    addresses = ("/accounts/", "/accounts/health/")
    pages = [team_client.get(address).content.decode() for address in addresses]

    assert [page.count(marked) for page in pages] == [1, 1]
    assert f'<a href="/accounts/health/" {marked}>' in pages[1]


def test_health_shows_what_runs_and_what_each_layer_stops(team_client, account):
    factories.HeartbeatFactory()

    page = team_client.get("/accounts/health/").content.decode()

    report = runtime.report()
    assert f"Deno {report.deno}" in page
    assert f"of at most {report.most}" in page
    assert page.count('data-state="ok">Holds') == len(layers.LAYERS)
    assert "Last sign of life" in page
    assert all(layer.title.replace("'", "&#x27;") in page for layer in layers.LAYERS)


def test_health_tells_what_is_missing_and_how_to_have_it(team_client, account):
    with lacking("rlimits", "landlock"):
        page = team_client.get("/accounts/health/").content.decode()

    assert page.count('data-state="bad">Missing') == 1
    assert page.count('data-state="warn">Missing') == 1
    assert "To have it, run Houston on Linux 5.13 or newer" in page


def test_health_shows_the_rest_when_the_sandbox_does_not_answer(team_client, tmp_path):
    with no_sandbox(tmp_path):
        response = team_client.get("/accounts/health/")

    page = response.content.decode()
    assert response.status_code == 200
    assert "Not known: the sandbox does not answer" in page
    assert "Events that arrive now are not handled" in page


def test_health_that_refreshes_itself_gets_its_part_alone(team_client):
    part = team_client.get("/accounts/health/", headers={"HX-Request": "true"}).content.decode()

    assert part.strip().startswith('<div id="found"')
    assert 'hx-trigger="poll from:body"' in part
    assert "<html" not in part


# The start ----------------------------------------------------------------------------------------


def test_start_is_refused_when_several_accounts_are_not_kept_apart(account, outsider):
    with lacking("rlimits"), pytest.raises(layers.LayersMissingError, match="resource limits"):
        layers.check_start()


def test_start_of_a_single_account_logs_what_is_weaker(account, caplog):
    with lacking("rlimits", "seccomp"):
        layers.check_start()

    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the sandbox lacks Resource limits: start Houston with higher hard limits "
        "(ulimit -Hd, ulimit -Hn)",
        "the sandbox lacks seccomp: run Houston on x86-64 or ARM64 Linux, where filters of system "
        "calls are allowed",
    ]


def test_start_without_a_sandbox_is_left_to_whatever_is_wrong_with_it(account, tmp_path, caplog):
    with no_sandbox(tmp_path):
        layers.check_start()

    assert [record.getMessage() for record in caplog.records] == [
        "cannot check the layers of the sandbox: UnavailableError"
    ]


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_processes_do_not_start_for_several_accounts_that_are_not_kept_apart(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOUSTON_")}
    environment = {
        **kept,
        "HOUSTON_DATA_DIR": str(tmp_path),
        "HOUSTON_SANDBOX_LAYERS": "no_new_privs,landlock,seccomp",
        "HOUSTON_PORT": str(free_port()),
    }

    def start(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    accounts = "[Account.objects.create(id=f'brand{number}', name='Brand') for number in (1, 2)]"
    start("manage.py", "migrate", "--verbosity=0")
    start("manage.py", "shell", "-c", f"from houston.models import Account; {accounts}")

    worker = start("-m", "celery", "-A", "houston", "--quiet", "worker")
    run = start("manage.py", "run")

    reason = (
        "the sandbox holds several accounts apart only with resource limits, start Houston with "
        "higher hard limits (ulimit -Hd, ulimit -Hn)"
    )
    assert worker.returncode == 1
    assert f"Cannot start the worker: {reason}" in worker.stderr.splitlines()
    assert "Traceback" not in worker.stderr
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.splitlines()[-1] == f"CommandError: Cannot run: {reason}"
