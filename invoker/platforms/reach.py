"""Where requests of the server itself may go: public addresses, and networks that were opened.

Whoever administers an account names callback URLs, Chatwoot's address and alerts' webhooks, so
none of them may lead into the operator's network. A name is looked up once for each connection,
every address that it leads to is checked, and the connection goes to one that was checked: what
the name leads to a moment later does not matter. TLS and the Host header keep the name.
"""

import asyncio
import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import httpx
from django.conf import settings

SETTING: Final = "HOUSTON_PRIVATE_NETWORKS"
# All that is given out for the public Internet. Source: IANA IPv6 Global Unicast Assignments.
_GLOBAL_IPV6: Final = ipaddress.IPv6Network("2000::/3")
# An IPv4 address in other clothes. Source: RFC 6052 §2.1, RFC 8215.
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# Public to Python's module, and answered near by: IETF's own assignments, where one cloud has its
# metadata, and the host of a virtual machine. Source: RFC 6890, Azure's page on 168.63.129.16.
_NEAR: Final = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))

_WRITTEN_AT_ONCE: Final = 16 * 1024
# Nobody answers for a name that is looked up for so long, and an account has so many of them.
_SILENT_AFTER_S: Final = 2.0
_MOST_SILENT: Final = 4

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotPublicError(OSError):
    """A host that is, or leads to, an address inside some network that was not opened."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"may not be at {address}: this is no public address. Whoever runs Houston can let it "
            f"be reached with {SETTING}={address}"
        )


def is_allowed(text: str) -> bool:
    """Whether requests may go to this IP address, in its usual spelling or with a zone."""
    address = _undressed(ipaddress.ip_address(text.partition("%")[0]))
    if any(address in network for network in _opened(tuple(settings.PRIVATE_NETWORKS))):
        return True
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_IPV6:
        return False
    if any(address in network for network in _NEAR):
        return False
    return address.is_global and not address.is_multicast


def check_url(url: str) -> None:
    """Refuse a URL whose host is an address where nothing may go, however it is written.

    Names are not looked up: where they lead is known only when there is something to send.

    Raises:
        NotPublicError: the host is such an address.
        ValueError: this is no URL.
    """
    host = (urlsplit(url).hostname or "").partition("%")[0]
    if host.rstrip(".").lower() == "localhost" or host.rstrip(".").lower().endswith(".localhost"):
        host = "127.0.0.1"
    try:
        # No question to anybody; it reads 0x7f.1 and 2130706433 as whoever connects does.
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    _checked(found)


async def find(host: str, port: int) -> list[str]:
    """The addresses that a host may be reached at, in the order to try them.

    Raises:
        NotPublicError: one of them may not be reached; then none is.
        OSError: the name leads nowhere.
    """
    loop = asyncio.get_running_loop()
    return _checked(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _find(host: str, timeout_s: float | None) -> list[str]:
    """The same for whoever blocks; a `TimeoutError` when nobody said in time where it leads."""
    return _checked(_lookups.ask(host, _account.get()).result(timeout_s))


def _checked(found: Iterable[tuple[Any, ...]]) -> list[str]:
    addresses = _addresses(found)
    for each in addresses:
        if not is_allowed(each):
            raise NotPublicError(each)
    return addresses


def _addresses(found: Iterable[tuple[Any, ...]]) -> list[str]:
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _undressed(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


@lru_cache(maxsize=16)
def _opened(networks: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in networks)


# Looking up ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Lookup:
    account_id: str
    found: Future[list[tuple[Any, ...]]] = field(default_factory=Future)
    begun_at: float = field(default_factory=time.monotonic)

    @property
    def is_silent(self) -> bool:
        return time.monotonic() - self.begun_at >= _SILENT_AFTER_S


class _Lookups:
    """The names that this process looks up: each once at a time, in a thread of its own.

    What looks names up knows no deadline of ours and can keep its thread for a minute. So while a
    name is silent, whoever asks for it fails at once, and while an account has several of these,
    so does whatever it asks for that is not looked up already; nobody else notices.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, _Lookup] = {}

    def ask(self, host: str, account_id: str) -> Future[list[tuple[Any, ...]]]:
        """What `socket.getaddrinfo` will say. Nobody's requests, of account "", are not counted.

        Raises:
            OSError: it is not worth waiting for.
        """
        with self._lock:
            lookup = self._under_way.get(host)
            if lookup is None:
                self._check_room(account_id)
                lookup = _Lookup(account_id)
                # One that waits for the end of its process would keep it.
                threading.Thread(target=self._look_up, args=(host, lookup), daemon=True).start()
                self._under_way[host] = lookup
            elif lookup.is_silent:
                raise OSError(f"nobody says where the name {host} leads")
        return lookup.found

    def _check_room(self, account_id: str) -> None:
        mine = [one for one in self._under_way.values() if one.account_id == account_id != ""]
        if sum(one.is_silent for one in mine) >= _MOST_SILENT:
            raise OSError(
                f"nobody says where {_MOST_SILENT} other names of this account lead, and until "
                "then no more are asked for"
            )

    def _look_up(self, host: str, lookup: _Lookup) -> None:
        found: list[tuple[Any, ...]] = []
        failure: Exception | None = None
        try:
            found = list(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 -- whoever asked gets it
            failure = error
        # First, so that who asks after the answer has come asks anew.
        with self._lock:
            del self._under_way[host]
        if failure is None:
            lookup.found.set_result(found)
        else:
            lookup.found.set_exception(failure)


_lookups: Final = _Lookups()


# For httpx ----------------------------------------------------------------------------------------


_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
_account: ContextVar[str] = ContextVar("account", default="")


@contextmanager
def within(seconds: float, *, account_id: str = "") -> Iterator[None]:
    """One deadline for everything that `Transport` does meanwhile in this thread, for an account.

    By itself a client that blocks only limits each wait for bytes, and who sends a byte now and
    then has its thread for as long as they like.
    """
    before, account_before = _ends_at.set(time.monotonic() + seconds), _account.set(account_id)
    try:
        yield
    finally:
        _ends_at.reset(before)
        _account.reset(account_before)


def _left(timeout: float | None, over: type[Exception]) -> float | None:
    left = _ends_at.get() - time.monotonic()
    if left <= 0:
        raise over("the time is over")
    if math.isinf(left):
        return timeout
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection on which the deadline holds, and not for each wait anew."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            some = buffer[start : start + _WRITTEN_AT_ONCE]
            self._inner.write(some, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and leaves everything else to httpcore."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = _find(host, _left(timeout, httpcore.ConnectTimeout))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"the name {host} is not found in time") from error
        except NotPublicError:
            raise
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"the name {host} leads nowhere")
        for address in addresses:
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(
                    self._inner.connect_tcp(address, port, left, local_address, socket_options)
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure


class Transport(httpx.HTTPTransport):
    """For `httpx.Client(transport=…)`. A refusal comes out as `NotPublicError`.

    httpx does not pass a backend on to httpcore, so the pool is made here as httpx makes it.
    """

    def __init__(self, context: Any, limits: httpx.Limits) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(),
        )
