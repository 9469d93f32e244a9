"""A callback server that behaves badly must not hold a worker."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from invoker.models import Command
from invoker.platforms import DeliveryError, callbacks
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def dripping() -> Iterator[str]:
    """Answers 500 at once and then one byte every 50 ms, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 500 No\r\ncontent-length: 1000000\r\n\r\n")
            try:
                while not ended.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    ended.set()
    thread.join()
    server.close()


def test_answer_that_drips_is_left_after_the_time_a_callback_may_take(
    dripping: str, settings: object
) -> None:
    settings.CALLBACK_TIMEOUT_S = 0.5
    connection = factories.ConnectionFactory(callback_url=dripping)
    command = factories.CommandFactory(fields={"text": "hi"})
    started_at = time.monotonic()

    with pytest.raises(DeliveryError, match=r"500 No: x+"):
        callbacks.post(connection, Command.objects.get(pk=command.pk))

    assert time.monotonic() - started_at < 5
