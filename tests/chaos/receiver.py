"""The platform's side of commands: keeps what it got, and does not always answer."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

# Longer than the product waits for an answer in these runs.
HANGS_FOR_S = 3.0
ABORTS_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time. Source: socket(7)


class Mood(StrEnum):
    WELL = "well"
    ERROR = "500"
    HANG = "hang"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Came:
    """One request with a command, in the order of arrival. `taken`: it was answered with 200."""

    command_id: str
    event_id: str
    account_id: str
    conv_id: str
    type: str
    number: str
    taken: bool


class Receiver:
    """An HTTP server for callbacks."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.came: list[Came] = []
        self.faults: list[str] = []
        self.secrets: dict[str, str] = {}
        """By account; until it is known, nothing can come."""
        self.mood = Mood.WELL
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}/commands"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @contextmanager
    def in_mood(self, mood: Mood) -> Iterator[None]:
        self.mood = mood
        try:
            yield
        finally:
            self.mood = Mood.WELL

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _keep(self, headers: dict[str, str], body: bytes, mood: Mood) -> None:
        try:
            told: dict[str, Any] = json.loads(body)
            data = told["data"]
            Webhook(self.secrets[data["accountId"]]).verify(body, headers)
            came = Came(
                command_id=headers["webhook-id"],
                event_id=data["eventId"],
                account_id=data["accountId"],
                conv_id=data["conversationId"],
                type=data["command"]["type"],
                number=data["dialogId"],
                taken=mood is Mood.WELL,
            )
            if told["id"] != came.command_id:
                raise ValueError(f"webhook-id {came.command_id} with event id {told['id']}")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the finding
            self.faults.append(f"callback that cannot be read: {error!r} {body[:200]!r}")
            return
        with self._lock:
            self.came.append(came)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Who is stopped in the middle of a request must not keep a thread for ever.
            timeout = 60

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                mood = receiver.mood
                receiver._keep({name.lower(): v for name, v in self.headers.items()}, body, mood)
                if mood in (Mood.HANG, Mood.RESET):
                    if mood is Mood.HANG:
                        receiver._stopping.wait(HANGS_FOR_S)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTS_AT_CLOSE)
                    self.close_connection = True
                    return
                self.send_response(200 if mood is Mood.WELL else 500)
                self.send_header("content-length", "0")
                self.end_headers()

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    # The other side was killed, which is what this is about.
                    self.close_connection = True

            def finish(self) -> None:
                try:
                    super().finish()
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler
