"""What the product is run on: databases and brokers, one host or two."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos import product
from tests.chaos.keeping import Kept
from tests.chaos.parts import Broker, Postgres, RabbitMq, Redis, Sqlite
from tests.chaos.product import Host, Product
from tests.chaos.receiver import Receiver
from tests.stack import services
from tests.stack.conftest import DATABASE
from tests.stack.services import Server

# With less than 100 MB free the product says that it is not ready.
DATA_DISK_MB = 400
DATABASE_DISK_MB = 256

SetUp = Callable[[Receiver, Path], contextlib.AbstractContextManager[Product]]


def may_mount() -> bool:
    """Whether a small disk can be made, which only root may."""
    return os.geteuid() == 0


@contextlib.contextmanager
def sqlite(
    receiver: Receiver,
    logs: Path,
    *,
    small_disk: bool = True,
    begun: Path | None = None,
    **environment: str,
) -> Iterator[Product]:
    """What `make run` has: SQLite and the embedded broker.

    With `small_disk` its data lies on a disk that can be filled, where this may be made. `begun` is
    a data folder that is taken over, which saves making the tables; `environment` has more
    settings.
    """
    with product.folder("data") as data_dir, contextlib.ExitStack() as stack:
        small_disk = small_disk and may_mount()
        if begun:
            for name in ("secret.key", "encryption.key", DATABASE):
                shutil.copy(begun / name, data_dir / name)
        if small_disk:
            stack.enter_context(services.disk(data_dir, DATA_DISK_MB))
        environment = product.settings_of(data_dir, **environment)
        prepared = product.prepare(environment, receiver.url)
        receiver.secrets.update(prepared.secrets)
        database = Sqlite(data_dir / DATABASE, disk=data_dir if small_disk else None)

        def broker(kept: Kept | None) -> Broker:
            assert kept
            url = f"unix://{data_dir / 'run' / 'broker.sock'}"
            return Redis(url, kept, data_dir / "broker")

        yield stack.enter_context(
            product.started(
                environment,
                prepared,
                database=database,
                broker=broker,
                logs=logs,
                hosts=[Host(data_dir)],
            )
        )


@contextlib.contextmanager
def keeping(name: str, server: Server, logs: Path) -> Iterator[Kept]:
    """A server that comes back whenever it dies."""
    kept = Kept(name, server.command, server.environment or dict(os.environ), logs / f"{name}.log")
    try:
        services.wait(server.is_up)
        server.begin()
        yield kept
    finally:
        kept.stop()


@contextlib.contextmanager
def postgres_redis(receiver: Receiver, logs: Path) -> Iterator[Product]:
    with services.redis_server() as server, keeping("broker", server, logs) as kept:
        broker = Redis(server.url, kept, server.folder)
        with _on_postgres(receiver, logs, server.url, lambda _: broker) as found:
            yield found


@contextlib.contextmanager
def postgres_rabbitmq(receiver: Receiver, logs: Path) -> Iterator[Product]:
    with services.rabbitmq_server() as server, keeping("broker", server, logs) as kept:
        broker = RabbitMq(server.url, kept, server.folder, queue="houston.live")
        with _on_postgres(receiver, logs, server.url, lambda _: broker) as found:
            if not broker.is_quorum():
                raise RuntimeError(f'The queue "{broker.queue}" is no quorum queue')
            yield found


@contextlib.contextmanager
def _on_postgres(
    receiver: Receiver, logs: Path, broker_url: str, broker: Callable[[Kept | None], Broker]
) -> Iterator[Product]:
    with (
        services.postgres_server(disk_mb=DATABASE_DISK_MB if may_mount() else 0) as server,
        keeping("database", server, logs) as kept,
        product.folder("data") as data_dir,
    ):
        environment = product.settings_of(
            data_dir, DATABASE_URL=server.url, HOUSTON_BROKER_URL=broker_url
        )
        prepared = product.prepare(environment, receiver.url)
        receiver.secrets.update(prepared.secrets)
        database = Postgres(server.url, kept, disk=server.folder if may_mount() else None)
        with product.started(
            environment,
            prepared,
            database=database,
            broker=broker,
            logs=logs,
            hosts=[Host(data_dir)],
        ) as found:
            yield found


SETUPS: dict[str, SetUp] = {
    "sqlite": sqlite,
    "postgres-redis": postgres_redis,
    "postgres-rabbitmq": postgres_rabbitmq,
}
