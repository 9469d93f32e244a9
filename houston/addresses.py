"""Where a request comes from, told only by whom the installation trusts."""

import ipaddress
from collections.abc import Callable, Iterable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from invoker import audit

GetResponse = Callable[[HttpRequest], HttpResponseBase]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OriginMiddleware:
    """Let the audit log know where the changes of this request come from."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        origin = audit.Origin(client_address(request), getattr(request, "id", ""))
        with audit.coming_from(origin):
            return self._get_response(request)


def client_address(request: HttpRequest) -> str:
    """The address of whoever asks, "" when it is not to be known.

    Proxies of HOUSTON_TRUSTED_PROXIES each name the one before them; the first that is not one of
    them is the client, whatever it claims about itself.
    """
    address = _read(request.META.get("REMOTE_ADDR", ""))
    named = request.headers.get("X-Forwarded-For", "").split(",")
    while address and named and _is_trusted(address, settings.TRUSTED_PROXIES):
        before = _read(named.pop())
        if before is None:
            break
        address = before
    return str(address or "")


def network(address: str) -> str:
    """Who comes from an address, as far as can be told: of IPv6 one has a /64 to choose from."""
    found = _read(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address


def _read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    # A socket that listens for both kinds names IPv4 in the clothes of IPv6.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address, networks: Iterable[str]) -> bool:
    return any(address in ipaddress.ip_network(each) for each in networks)
