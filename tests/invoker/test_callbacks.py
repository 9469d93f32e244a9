"""A callback server that behaves badly must not hold a worker."""

import contextlib
import datetime as dt
import socket
import threading
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from invoker.models import Command, make_webhook_secret
from invoker.platforms import DeliveryError, callbacks
from tests import factories
from tests.conftest import Answer, CallbackServer

pytestmark = pytest.mark.django_db


class Dripping:
    """Sends the beginning of an answer at once and then one byte every 50 ms, for ever."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/"

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65_536)
            connection.sendall(self._beginning)
            while not self._ended.wait(0.05):
                connection.sendall(b"x")


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        (b"HTTP/1.1 500 No\r\ncontent-length: 1000000\r\n\r\n", r"500 No: x+"),
        (b"HTTP/1.1 200 OK\r\nx-long: ", "No answer within 0.5 s"),
        (b"HTTP", "No answer within 0.5 s"),
    ],
    ids=["body", "headers", "status"],
)
def test_answer_that_drips_is_left_after_the_time_a_callback_may_take(
    settings: Any, beginning: bytes, said: str
) -> None:
    settings.CALLBACK_TIMEOUT_S = 0.5
    with (
        contextlib.closing(Dripping(beginning)) as server,
        pytest.raises(DeliveryError, match=said),
    ):
        post(server.url)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example", "xn--"])
def test_host_that_cannot_be_is_a_delivery_that_failed(host: str) -> None:
    with pytest.raises(DeliveryError, match="The callback URL cannot be reached") as caught:
        post(f"http://{host}/")

    assert not caught.value.unknown


def test_pause_that_is_asked_for_may_be_named_by_its_end(callback_server: CallbackServer) -> None:
    in_a_minute = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
    pauses = {
        "7": 7.0,
        "86400": 3600.0,
        format_datetime(in_a_minute, usegmt=True): pytest.approx(60, abs=2),
        "0": None,
        "-5": None,
        "nan": None,
        "soon": None,
        "Thu, 01 Jan 1970 00:00:00 GMT": None,
        "Mon, 01 Jan 99999999999 00:00:00 GMT": None,
        "Mon, 01 Jan 2029 00:00:00 +99999999999999": None,
    }
    for named, pause_s in pauses.items():
        callback_server.will_answer(Answer(status=503, headers={"retry-after": named}))

        with pytest.raises(DeliveryError) as caught:
            post(callback_server.url)

        assert caught.value.retry_after_s == pause_s, named


def test_command_is_signed_with_both_secrets_while_one_is_changed(
    callback_server: CallbackServer,
) -> None:
    old, new = make_webhook_secret(), make_webhook_secret()
    connection = factories.ConnectionFactory(
        callback_url=callback_server.url,
        callback_secret=new,
        previous_callback_secret=old,
        previous_callback_until=timezone.now() + dt.timedelta(hours=1),
    )
    command = Command.objects.get(pk=factories.CommandFactory(fields={"text": "hi"}).pk)

    callbacks.post(connection, command)
    connection.previous_callback_until = timezone.now()
    callbacks.post(connection, command)

    both, alone = callback_server.requests
    for secret in (old, new):
        Webhook(secret).verify(both.body, both.headers)
    Webhook(new).verify(alone.body, alone.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(alone.body, alone.headers)


def post(url: str) -> str:
    connection = factories.ConnectionFactory(callback_url=url)
    command = factories.CommandFactory(fields={"text": "hi"})
    return callbacks.post(connection, Command.objects.get(pk=command.pk))
