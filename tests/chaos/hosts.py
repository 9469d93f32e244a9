"""Two hosts with a worker each beside one with everything else, as network namespaces of this one.

Their cables end at a bridge. A host is parted by pulling its cable, or by losing every packet on
it, which neither side is told of.
"""

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.fernet import Fernet

from tests.chaos import product
from tests.chaos.parts import Postgres, Redis
from tests.chaos.product import Host, Product
from tests.chaos.receiver import Receiver
from tests.chaos.setups import DATABASE_DISK_MB, keeping
from tests.stack import services

NETWORK, HUB = "10.77.0.0/24", "10.77.0.1"
BRIDGE = "hub"
ADDRESSES = {"first": "10.77.0.11", "second": "10.77.0.12"}
"""Of the hosts with a worker, by name."""


def why_not() -> str:
    """Why this machine has no network namespaces for us. Empty where it has."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = ["unshare", "--net", "ip", "link", "add", BRIDGE, "type", "bridge"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def inside(arguments: list[str]) -> int:
    """Run this program again where it has the network of the hub, and nothing else."""
    command = ["unshare", "--net", sys.executable, "-m", "tests.chaos", *arguments]
    return subprocess.run(command, check=False).returncode


@contextlib.contextmanager
def two_hosts(receiver: Receiver, logs: Path) -> Iterator[Product]:
    """PostgreSQL, Redis, web server and beat on the hub, which is where this process has to be."""
    keys = {
        "HOUSTON_SECRET_KEY": secrets.token_urlsafe(50),
        "HOUSTON_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "HOUSTON_PRIVATE_NETWORKS": NETWORK,
    }
    with (
        services.postgres_server(HUB, network=NETWORK, disk_mb=DATABASE_DISK_MB) as database,
        keeping("database", database, logs) as database_kept,
        services.redis_server(HUB) as redis,
        keeping("broker", redis, logs) as redis_kept,
        product.folder("hub") as data_dir,
        product.folder("first") as first,
        product.folder("second") as second,
    ):
        environment = product.settings_of(
            data_dir, HUB, DATABASE_URL=database.url, HOUSTON_BROKER_URL=redis.url, **keys
        )
        prepared = product.prepare(environment, receiver.url)
        receiver.secrets.update(prepared.secrets)
        hosts = [Host(data_dir)]
        for name, folder in (("first", first), ("second", second)):
            own = {"HOUSTON_DATA_DIR": str(folder)}
            hosts.append(Host(folder, f"ip netns exec {_namespace(name)}", own))
        with product.started(
            environment,
            prepared,
            database=Postgres(database.url, database_kept, disk=database.folder),
            broker=lambda _: Redis(redis.url, redis_kept, redis.folder),
            logs=logs,
            hosts=hosts,
        ) as found:
            found.partition = parted
            yield found


@contextlib.contextmanager
def network() -> Iterator[None]:
    """The bridge, and a cable from it to a namespace for each host."""
    _ip("link set lo up")
    _ip(f"link add {BRIDGE} type bridge")
    _ip(f"addr add {HUB}/24 dev {BRIDGE}")
    _ip(f"link set {BRIDGE} up")
    try:
        for name, address in ADDRESSES.items():
            space = _namespace(name)
            _ip(f"netns add {space}")
            _ip(f"link add {name} type veth peer name eth0 netns {space}")
            _ip(f"link set {name} master {BRIDGE} up")
            _ip(f"-n {space} addr add {address}/24 dev eth0")
            _ip(f"-n {space} link set eth0 up")
            _ip(f"-n {space} link set lo up")
        yield
    finally:
        for name in ADDRESSES:
            with contextlib.suppress(RuntimeError):
                _ip(f"netns delete {_namespace(name)}")


@contextlib.contextmanager
def parted(how: str) -> Iterator[None]:
    """Part one host from all others until the end of the block.

    "down" pulls the cable of the first one; with "loss" the bridge forwards nothing to or from the
    second, which neither side is told of.
    """
    begin, end = {
        "down": ("link set first down", "link set first up"),
        # States of a bridge's port: disabled, forwarding. Source: ip-link(8).
        "loss": (
            "link set dev second type bridge_slave state 0",
            "link set dev second type bridge_slave state 3",
        ),
    }[how]
    _ip(begin)
    try:
        yield
    finally:
        _ip(end)


def _namespace(name: str) -> str:
    return f"houston-chaos-{os.getpid()}-{name}"


def _ip(words: str) -> None:
    command = ["ip", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
