"""What stands before a product that clients reach by HTTPS only, with names that are not ours."""

import asyncio
import contextlib
import re
import ssl
import threading
from pathlib import Path

from tests.toolbelt.certificates import Authority

# Clients send a request's head in one piece.
REQUEST = re.compile(rb"([A-Z]+ \S+) HTTP/1\.1\r\n")
MOST_READ = 65536


class Front:
    """Takes TLS off, passes on the rest as it is, and notes what was asked for."""

    def __init__(self, authority: Authority, *hosts: str, to_port: int, directory: Path) -> None:
        self.requests: list[str] = []
        self._to_port = to_port
        identity = authority.identity(*hosts)
        file = directory / f"{hosts[0]}.pem"
        file.write_text(identity.certificate + identity.key)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(file)
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_product, to_product = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            await asyncio.gather(
                self._pass_on(reader, to_product, note=True), self._pass_on(from_product, writer)
            )
        finally:
            for end in (writer, to_product):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, note: bool = False
    ) -> None:
        # Whoever goes first takes the other with it.
        with contextlib.suppress(OSError):
            while read := await source.read(MOST_READ):
                if note and (asked := REQUEST.match(read)):
                    self.requests.append(asked[1].decode())
                sink.write(read)
                await sink.drain()
        sink.close()
