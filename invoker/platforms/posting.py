"""Sending a command by HTTP, and what the answer means.

All of it happens on an event loop of its own: there one deadline holds for a whole exchange. A
blocking client only limits each wait for bytes, and who sends a byte now and then has a worker's
thread for as long as they like.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from django.conf import settings

from invoker.platforms.contract import DeliveryError, read_retry_after

WORDS_BYTES = 200
# Answers that say "not this request", as opposed to "not now".
_RETRIED_CLIENT_ERRORS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
# Answers of somebody who gave up, in front of or behind what may have been done.
_MAYBE_DONE = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_CONNECT_S = 5.0


class NotPublicError(OSError):
    """A host that is, or leads to, an address inside some network."""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    who: str,
    repeatable: bool = True,
    only_public: bool = False,
) -> str:
    """Send a command to `url` and say in a few words what came back.

    `who` is what answers there, for people: "The callback URL". Where the receiver cannot tell a
    repetition, `repeatable` is False: then no answer leaves open whether it was carried out.
    With `only_public` it goes to public addresses, and to those of HOUSTON_ALERT_NETWORKS.

    Raises:
        DeliveryError: nobody answered, or the answer was not 2xx.
    """
    try:
        answer = _exchanges.run(
            url, body, headers, settings.CALLBACK_TIMEOUT_S, only_public=only_public
        )
    except NotPublicError as error:
        raise DeliveryError(f"{who} {error}", permanent=True) from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise DeliveryError(
            f"No answer within {settings.CALLBACK_TIMEOUT_S:g} s ({type(error).__name__})",
            unknown=not repeatable and not isinstance(error, httpx.ConnectTimeout),
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        # The last one is what a host name leads to that cannot be written in ASCII.
        never_sent = not isinstance(error, httpx.HTTPError) or isinstance(error, httpx.ConnectError)
        raise DeliveryError(
            f"{who} cannot be reached: {error}", unknown=not repeatable and not never_sent
        ) from error
    except OSError as error:
        # A name that leads nowhere, asked for before there was anything to send.
        raise DeliveryError(f"{who} cannot be reached: {error}") from error
    if httpx.codes.is_success(answer.status):
        return answer.said
    temporary = (
        httpx.codes.is_server_error(answer.status) or answer.status in _RETRIED_CLIENT_ERRORS
    )
    raise DeliveryError(
        f"{who} answered {answer.said}",
        permanent=not temporary,
        retry_after_s=read_retry_after(answer.retry_after),
        unknown=not repeatable and answer.status in _MAYBE_DONE,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    said: str
    """What to show of it."""
    retry_after: str


class _Exchanges:
    """One client for all threads of a process: it keeps connections open between commands."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None

    def run(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        only_public: bool,
    ) -> _Answer:
        loop, client = self._start()
        if only_public:
            exchange = _public_exchange(url, body, headers, timeout_s)
        else:
            exchange = _exchange(client, url, body, headers, timeout_s)
        return asyncio.run_coroutine_threadsafe(exchange, loop).result()

    def _start(self) -> tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]:
        """Not before the first command: threads do not survive a fork."""
        with self._lock:
            if self._loop is None or self._client is None:
                self._loop = asyncio.new_event_loop()
                self._client = _make_client()
                threading.Thread(
                    target=self._loop.run_forever, name="callbacks", daemon=True
                ).start()
            return self._loop, self._client


_exchanges = _Exchanges()


def _make_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        follow_redirects=False,
        headers={"user-agent": "Houston", "accept-encoding": "identity"},
        trust_env=False,
    )


async def _public_exchange(
    url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> _Answer:
    """Post to the very address that was checked: a name may lead elsewhere the next moment.

    On a connection of its own: one that was proven for another name at this address is not this
    one's.
    """
    asked = httpx.URL(url)
    async with asyncio.timeout(timeout_s):
        address = await _public_address(asked.host, asked.port or 443)
    async with _make_client() as client:
        return await _exchange(
            client,
            str(asked.copy_with(host=address)),
            body,
            {**headers, "host": asked.netloc.decode("ascii")},
            timeout_s,
            sni_hostname=asked.raw_host.decode("ascii"),
        )


async def _public_address(host: str, port: int) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    for each in addresses:
        if not is_public(each):
            raise NotPublicError(f"may not be at {each}: this is no public address")
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether alerts may go to this IP address, in its usual spelling or with a zone."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # Other clothes of an IPv4 address: mapped, of a translator, tunnelled.
        in_nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        inner = (
            ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
            if in_nat64
            else address.ipv4_mapped or address.sixtofour
        )
        address = inner or address
    if any(address in ipaddress.ip_network(each) for each in settings.ALERT_NETWORKS):
        return True
    return address.is_global and not address.is_multicast


async def _exchange(
    client: httpx.AsyncClient,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout_s: float,
    *,
    sni_hostname: str = "",
) -> _Answer:
    """Post, and say what came back.

    Success is settled by the status line. Of a refusal the first words are read, for as long
    again as the answer may take.
    """
    # To connect takes less than the deadline, so that what was never sent is told apart.
    timeout = httpx.Timeout(timeout_s, connect=min(_CONNECT_S, 0.9 * timeout_s))
    request = client.build_request(
        "POST",
        url,
        content=body,
        headers=dict(headers),
        timeout=timeout,
        extensions={"sni_hostname": sni_hostname} if sni_hostname else None,
    )
    async with asyncio.timeout(timeout_s):
        response = await client.send(request, stream=True)
    words = b""
    try:
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(timeout_s):
                if not response.is_success:
                    async for part in response.aiter_raw():
                        words += part
                        if len(words) >= WORDS_BYTES:
                            break
    finally:
        await response.aclose()
    said = f"{response.status_code} {response.reason_phrase}".strip()
    text = words[:WORDS_BYTES].decode("utf-8", "replace").replace("\0", "").strip()
    return _Answer(
        response.status_code,
        f"{said}: {text}" if text else said,
        response.headers.get("retry-after", ""),
    )
