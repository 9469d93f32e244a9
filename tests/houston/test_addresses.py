"""Where a request comes from: only a proxy that the installation names may say it."""

import pytest
from django.test import RequestFactory

from houston.addresses import client_address


def asked(peer, forwarded=None):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer))


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ([], "192.0.2.1", None, "192.0.2.1"),
        ([], "192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ([], "127.0.0.1", "198.51.100.9", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "198.51.100.9", "198.51.100.9"),
        (["127.0.0.1"], "127.0.0.1", None, "127.0.0.1"),
        # What a client claims stands before what the proxy adds.
        (["127.0.0.1"], "127.0.0.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.5, 198.51.100.9, 10.9.9.9", "198.51.100.9"),
        (["127.0.0.1"], "127.0.0.1", "203.0.113.5, not an address", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "203.0.113.5\0", "127.0.0.1"),
        (["127.0.0.1"], "::ffff:127.0.0.1", "2001:db8::1", "2001:db8::1"),
        (["::1"], "::1", "::ffff:192.0.2.4", "192.0.2.4"),
        ([], "", "198.51.100.9", ""),
    ],
)
def test_address_when_proxies_are_trusted(settings, proxies, peer, forwarded, address):
    settings.TRUSTED_PROXIES = proxies

    assert asked(peer, forwarded) == address
