"""Servers of the production choices, each for one test run: own folder, own port, loopback only."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

STARTS_WITHIN_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL cluster; yields its `DATABASE_URL`."""
    binaries = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
    with _folder("postgres") as (folder, as_user):
        port = free_port()
        data = folder / "data"
        # Trust is for loopback and for as long as a test runs.
        _run([*as_user, binaries / "initdb", "-D", data, "-U", "houston", "--auth=trust"])
        server = subprocess.Popen(
            [*as_user, binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1",
             "-k", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with _ended(server):
            _wait(lambda: _succeeds([binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]))
            _run([binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "houston",
                  "houston"])  # fmt: skip
            yield f"postgres://houston@127.0.0.1:{port}/houston"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis server; yields its URL."""
    with _folder("redis") as (folder, as_user):
        port = free_port()
        server = subprocess.Popen(
            [*as_user, "redis-server", "--bind", "127.0.0.1", "--port", str(port),
             "--dir", folder, "--save", ""],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with _ended(server):
            _wait(lambda: _listens(port))
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ node with an epmd of its own; yields its URL."""
    with _folder("rabbitmq") as (folder, as_user):
        port, epmd_port = free_port(), free_port()
        config = folder / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
        config.chmod(0o644)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"houston{port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        server = subprocess.Popen(
            [*as_user, "/usr/lib/rabbitmq/bin/rabbitmq-server"],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with _ended(server):
                _wait(lambda: _listens(port))
                yield f"amqp://guest:guest@127.0.0.1:{port}//"
        finally:
            # The node starts this daemon by itself and leaves it behind.
            subprocess.run(
                [*as_user, "epmd", "-port", str(epmd_port), "-kill"],
                env={**env, "ERL_EPMD_RELAXED_COMMAND_CHECK": "1"},
                stdout=subprocess.DEVNULL,
                check=False,
            )


@contextlib.contextmanager
def _folder(name: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder and how to run a command as its owner: these servers refuse to run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"houston-{name}-"))
    as_user: list[str] = []
    if os.getuid() == 0:
        owner = pwd.getpwnam(name)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}",
                   "--clear-groups", "--"]  # fmt: skip
    try:
        yield folder, as_user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _succeeds(command: list[str | Path]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("the server did not start")
        time.sleep(0.1)
