"""Attacks by a proxy: its name is looked at before it is resolved, so its address must be too."""

import pytest

from tests.attacks.arena import Arena
from tests.namespace import METADATA, PRIVATE, PUBLIC

pytestmark = pytest.mark.runtime

PROXIES = {
    "SOCKS": '{ url: "socks5://HOST:80" }',
    "SOCKS that resolves": '{ url: "socks5h://HOST:80" }',
    "SOCKS over TLS's port": '{ url: "socks5://HOST:443" }',
    "SOCKS with a password": """{ url: "socks5://HOST:80",
        basicAuth: { username: "a", password: "b" } }""",
    "HTTP": '{ url: "http://HOST" }',
    "HTTPS": '{ url: "https://HOST" }',
    "TCP": '{ transport: "tcp", hostname: "HOST", port: 80 }',
    "Unix": '{ transport: "unix", path: canary }',
    "vsock": '{ transport: "vsock", cid: 2, port: 80 }',
}


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_proxy_of_a_private_address(arena: Arena, proxy: str, target: str) -> None:
    names = {"metadata.example": METADATA, "private.example": PRIVATE, "loop.example": "127.0.0.1"}
    arena.world.name(**names, **{"public.example": PUBLIC})
    tries = ",".join(
        f"""async () => fetch("{target}://public.example/", {{
          client: D.createHttpClient({{ proxy: {proxy.replace("HOST", host)} }}),
          signal: AbortSignal.timeout(300),
        }})"""
        for host in names
    )

    arena.probe(
        f"for (const run of [{tries}]) try {{ await run(); }} catch {{}}",
        hosts=("public.example", *names),
    )

    assert arena.world.connections() == []
