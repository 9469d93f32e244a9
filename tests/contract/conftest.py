"""The product as people start it, the vendor's names in front of it, and the vendor's clients.

Both packages were the newest that the registry has on 2026-11-30.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import CallbackServer
from tests.contract.front import Front
from tests.stack import services
from tests.stack.conftest import ROOT, Houston, running
from tests.toolbelt.certificates import Authority

HERE = Path(__file__).parent
# The name decides which API the vendor's npm client speaks. Source: liveperson-contract.md §1.3.
V1_HOST, V2_HOST = "houston.test", "fninvocations.houston.test"
# Where its clients ask for the names of everything else. Source: §1.2.
DIRECTORIES = ("adminlogin.liveperson.net", "api.liveperson.net")
STARTS_WITHIN_S = 60


@dataclass(frozen=True)
class Account:
    """What `prepared` made."""

    functions: dict[str, str]
    client: dict[str, str]
    tokens: dict[str, str]
    admin_token: str
    revoked_token: str
    user_id: str
    door: dict[str, str]


@dataclass
class Way:
    """How clients that know nothing of a product reach it."""

    front: Front
    http_port: int
    environment: dict[str, str]

    def run(
        self, *command: str | Path, given: str = "", cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command],
            input=given,
            cwd=cwd,
            env={**self.environment, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="package")
def callbacks() -> Iterator[CallbackServer]:
    server = CallbackServer()
    yield server
    server.close()


@pytest.fixture(scope="package")
def product() -> Iterator[Houston]:
    with running(**_names(V1_HOST)) as started:
        yield started


@pytest.fixture(scope="package")
def account(product: Houston, callbacks: CallbackServer) -> Account:
    code = f"from tests.contract import prepared; prepared.main({callbacks.url!r})"
    return Account(**json.loads(product.manage("shell", "--verbosity=0", "-c", code)))


@pytest.fixture(scope="package")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="package")
def v1(
    product: Houston, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    port = int(product.environment["HOUSTON_PORT"])
    with _way(authority, V1_HOST, port, tmp_path_factory.mktemp("v1")) as way:
        yield way


@pytest.fixture(scope="package")
def v2(
    product: Houston, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    """One more web process of the same product, by a name that means V2 to the clients."""
    directory = tmp_path_factory.mktemp("v2")
    port = services.free_port()
    options = (
        f"--bind 127.0.0.1:{port} --worker-class houston.server.Worker --threads 4 "
        "--graceful-timeout 1"
    )
    with (directory / "web.log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "houston.wsgi", *options.split()],
            cwd=ROOT, env={**product.environment, **_names(V2_HOST)}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_until_it_answers(port)
        with _way(authority, V2_HOST, port, directory) as way:
            yield way
    finally:
        web.terminate()
        web.wait(timeout=30)


def _names(host: str) -> dict[str, str]:
    allowed = ["localhost", "127.0.0.1", host, *DIRECTORIES]
    return {"HOUSTON_URL": f"https://{host}", "HOUSTON_ALLOWED_HOSTS": ",".join(allowed)}


@contextlib.contextmanager
def _way(authority: Authority, host: str, http_port: int, directory: Path) -> Iterator[Way]:
    trusted = directory / "authority.pem"
    trusted.write_text(authority.certificate)
    front = Front(authority, host, *DIRECTORIES, to_port=http_port, directory=directory)
    for name in ("home", "tmp"):
        (directory / name).mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        # Everything that a client keeps for itself.
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        "NODE_OPTIONS": f"--require {HERE / 'redirect.cjs'}",
        "NODE_EXTRA_CA_CERTS": str(trusted),
        "HTTP": str(http_port),
        "HTTPS": str(front.port),
        "TZ": "UTC",
        # The command line asks for its newest version, and goes on when nobody answers.
        "npm_config_registry": "http://127.0.0.1:9/",
        # Tables are cut to the terminal's width.
        "COLUMNS": "400",
    }
    try:
        yield Way(front, http_port, environment)
    finally:
        front.close()


def _wait_until_it_answers(port: int) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/healthz").is_success:
                return
        time.sleep(0.1)
    raise TimeoutError(f"Nothing answers at {port}")
