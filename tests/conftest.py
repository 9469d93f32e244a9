"""Fixtures shared by all tests: an account that is ready, its people, and a platform to talk to."""

import contextlib
import functools
import gc
import os
import shutil
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.core.cache import cache
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client

# Hardly anything is garbage of what collecting tests makes, and to look for it took seconds.
gc.disable()
# A folder of its own for everything that a test run writes. Settings and apps are loaded before
# any conftest, so what they took from the real data folder is pointed at this one here; processes
# that tests start find it in the environment.
DATA_DIR = Path(tempfile.mkdtemp(prefix="houston-tests-"))
os.environ["HOUSTON_DATA_DIR"] = str(DATA_DIR)
# The folder of the process that starts the others is for what they share.
os.environ.setdefault("HOUSTON_TESTS_DIR", str(DATA_DIR))
# More than a hundred processes are started: what one has compiled, the next one finds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
settings.DATA_DIR = DATA_DIR
settings.METRICS_DIR = DATA_DIR / "metrics"
settings.SOCKET_DIR = DATA_DIR / "run"
settings.SOCKET_DIR.mkdir(mode=0o700)
settings.STATIC_ROOT = DATA_DIR / "static"
settings.STATIC_ROOT.mkdir()
settings.BROKER_SOCKET = settings.SOCKET_DIR / "broker.sock"
if settings.BROKER_EMBEDDED:
    settings.CELERY_BROKER_URL = f"redis+socket://{settings.BROKER_SOCKET}?virtual_host=0"
settings.CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat.schedule")
# What stands for other companies' servers in tests is on this machine.
os.environ["HOUSTON_PRIVATE_NETWORKS"] = "127.0.0.0/8,::1"
settings.PRIVATE_NETWORKS = ["127.0.0.0/8", "::1"]
apps.get_app_config("invoker").ready()
# Nothing is collected for tests, so there are no hashed names to look up.
settings.STORAGES = {
    **settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
settings.CACHES = {
    name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
    for name in settings.CACHES
}
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Nobody asks for Django's own permissions and types of rows, and to write them again took the
# longest of each flush, which is how a test of several threads ends.
post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
post_migrate.disconnect(create_contenttypes)

from houston.models import Account, Role, User  # noqa: E402
from invoker import automatic_messages, ingest, runtime  # noqa: E402
from invoker.rates import rates  # noqa: E402
from tests import factories  # noqa: E402
from tests.stack import conftest as stack  # noqa: E402
from tests.stack.conftest import Houston  # noqa: E402

TEST_DATABASE = "test.sqlite3"
# What keeps a process of the test run busy for longest.
SLOWEST = ("tests/browser/test_every_page.py", "tests/contract/", "tests/stack/", "tests/browser/",
           "tests/attacks/")  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that take long first, so that no process is left with one when others are done."""
    for item in items:
        # Under pytest 9.2 Schemathesis gives all operations one id, and xdist runs one of them.
        operation = getattr(item, "operation_label", None)
        if operation and "[" not in item.nodeid:
            item._id = item._id.with_params(operation)
    ids = Counter(item.nodeid for item in items)
    often = [nodeid for nodeid, count in ids.items() if count > 1]
    if often:
        raise pytest.UsageError(f"Tests with the same id, of which one would run: {often}")
    _asking.update(item.path for item in items if "houston" in getattr(item, "fixturenames", ()))
    items.sort(key=_rank)


# The files with tests that ask for the running product.
_asking: set[Path] = set()
# What runs beside the tests until none needs it any more, as it takes its share of the CPU.
_beside = contextlib.ExitStack()


def _rank(item: pytest.Item) -> int:
    ranks = (rank for rank, start in enumerate(SLOWEST) if item.nodeid.startswith(start))
    return next(ranks, len(SLOWEST) + (item.path not in _asking))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _rank(item) > len(SLOWEST):
        _beside.close()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    _beside.close()
    runtime.close()
    shutil.rmtree(DATA_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Use a database file instead of memory, so that threads meet the locks of production."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(DATA_DIR / TEST_DATABASE)


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """Let one process of the test run make the tables, which takes seconds, the others copy."""
    if connection.vendor != "sqlite":
        return bool(request.config.option.reuse_db)
    if _tables().exists():
        shutil.copy(_tables(), DATA_DIR / TEST_DATABASE)
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    if connection.vendor == "sqlite" and not _tables().exists():
        copy = DATA_DIR / "tables.sqlite3"
        stack.copy_database(DATA_DIR / TEST_DATABASE, copy)
        copy.rename(_tables())


def _tables() -> Path:
    return Path(os.environ["HOUSTON_TESTS_DIR"]) / "tables-for-all.sqlite3"


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    """No test meets the limits of attempts that another one used up, or comes after its knock."""
    cache.clear()
    rates.forget()
    ingest._knocks = ingest.Knocks()


# People -------------------------------------------------------------------------------------------


@pytest.fixture
def account(db: None) -> Account:
    """Both set-up steps are done."""
    account = factories.AccountFactory(id=factories.ACCOUNT_ID, name="Acme")
    factories.ControllerBotFactory(account_id=account.id)
    automatic_messages.create_defaults(account.id)
    return account


@pytest.fixture
def developer(account: Account) -> User:
    user = factories.UserFactory(username="dana")
    factories.MembershipFactory(user=user, account=account, role=Role.DEVELOPER)
    return user


@pytest.fixture
def admin(account: Account) -> User:
    user = factories.UserFactory(username="ada")
    factories.MembershipFactory(user=user, account=account, role=Role.ADMIN)
    return user


@pytest.fixture
def team(db: None) -> User:
    """One of the account team, a member of no account."""
    return factories.UserFactory(username="tina", is_staff=True)


@pytest.fixture
def outsider(db: None) -> User:
    """Admin and developer of another account that is ready too."""
    other = factories.AccountFactory(id="other1", name="Other")
    factories.ControllerBotFactory(account_id=other.id)
    user = factories.UserFactory(username="otto")
    for role in Role:
        factories.MembershipFactory(user=user, account=other, role=role)
    return user


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def developer_client(developer: User) -> Client:
    return _signed_in(developer)


@pytest.fixture
def admin_client(admin: User) -> Client:
    """An admin of `account` who is no developer."""
    return _signed_in(admin)


@pytest.fixture
def team_client(team: User) -> Client:
    return _signed_in(team)


@pytest.fixture
def outsider_client(outsider: User) -> Client:
    return _signed_in(outsider)


# The running product ------------------------------------------------------------------------------


@functools.cache
def _product() -> Houston:
    """The one that files share: a start costs more than what most of them ask of it."""
    product = _beside.enter_context(stack.running())
    _beside.callback(_product.cache_clear)
    product.keep()
    return product


@pytest.fixture(scope="module")
def houston() -> Houston:
    """The running product as it is after its first start, whatever other files did with it."""
    product = _product()
    product.go_back()
    return product


# A platform's callback URL ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class CallbackServer:
    """An HTTP server on 127.0.0.1 that keeps what it gets and answers as it was told.

    Answers are given in the order of `will_answer`; when none is left, 200.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/commands"

    def will_answer(self, *answers: int | Answer) -> None:
        """Queue answers; a bare number is a status."""
        with self._lock:
            self._answers.extend(
                Answer(status=answer) if isinstance(answer, int) else answer for answer in answers
            )

    def wait_for(self, count: int, *, timeout_s: float = 20.0) -> list[Received]:
        """Wait until `count` requests have come; returns all that have, be it fewer."""
        ends = time.monotonic() + timeout_s
        while len(self.requests) < count and time.monotonic() < ends:
            time.sleep(0.01)
        return list(self.requests)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, received: Received) -> Answer:
        with self._lock:
            self.requests.append(received)
            return self._answers.popleft() if self._answers else Answer()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = take(Received(self.command, self.path, headers, self.rfile.read(length)))
                time.sleep(answer.delay_s)
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:
                    # A caller that has given up waiting is what some tests are about.
                    self.close_connection = True

            do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


@pytest.fixture
def callback_server() -> Iterator[CallbackServer]:
    server = CallbackServer()
    yield server
    server.close()
