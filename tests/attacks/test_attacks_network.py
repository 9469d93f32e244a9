"""Attacks on the network: what is not on the list is not reached, not even by a question.

Names stand in the hosts file of the world, so a question to the name server is one too many.
"""

import json
import time

import pytest

from tests.attacks.arena import Arena
from tests.namespace import METADATA, OTHER_PUBLIC, PRIVATE, PRIVATE6, PUBLIC, Answer, World

pytestmark = pytest.mark.runtime

NAMES = {
    "public.example": PUBLIC,
    "unlisted.example": OTHER_PUBLIC,
    "loop.example": "127.0.0.1",
    "private.example": PRIVATE,
    "metadata.example": METADATA,
    "nowhere.example": "0.0.0.0",  # noqa: S104
    "loop6.example": "::1",
    "nowhere6.example": "::",
    "mapped.example": "::ffff:127.0.0.1",
    "mapped-private.example": "::ffff:10.0.0.5",
}
LOCKED = tuple(name for name, address in NAMES.items() if address not in (PUBLIC, OTHER_PUBLIC))
# Ways to a name or an address: each gives something when it got there, or throws.
NODE = """await new Promise((done, no) => {
  require("%s").get({ host: "HOST", port: PORT, path: "/", agent: false }, () => done(1))
    .on("error", no);
})"""
SOCKET = """await new Promise((done, no) => {
  require("%s").connect({ host: "HOST", port: PORT }).on("error", no).on("connect", () => done(1));
})"""
PROXIED = """(await fetch("http://public.example/", {
  client: D.createHttpClient({ proxy: %s }),
  signal: AbortSignal.timeout(1000),
})).status"""
WAYS = {
    "fetch": '(await fetch("http://HOST:PORT/")).status',
    "request": '(await fetch(new Request("http://HOST:PORT/", { method: "POST" }))).status',
    "http": NODE % "http",
    "https": NODE % "https",
    "http2": """await new Promise((done, no) => {
      require("http2").connect("http://HOST:PORT").on("error", no).on("connect", () => done(1));
    })""",
    "net": SOCKET % "net",
    "tls": SOCKET % "tls",
    "Deno": '(await D.connect({ hostname: "HOST", port: PORT })).localAddr',
    "Deno's TLS": '(await D.connectTls({ hostname: "HOST", port: PORT })).localAddr',
    "WebSocket": """await new Promise((done, no) => {
      const socket = new WebSocket("ws://HOST:PORT/");
      socket.onerror = (event) => no(event.error ?? new Error(event.message));
      socket.onopen = done;
    })""",
    # It does not say why: what the servers saw is what counts.
    "EventSource": """await new Promise((done, no) => {
      const source = new EventSource("http://HOST:PORT/");
      source.onerror = () => (source.close(), no(new Error("net access, perhaps")));
      source.onopen = done;
    })""",
    "HTTP proxy": PROXIED % '{ url: "http://HOST:PORT" }',
    "TCP proxy": PROXIED % '{ transport: "tcp", hostname: "HOST", port: PORT }',
    "Node's proxy": """await new Promise((done, no) => {
      const http = require("http");
      const agent = new http.Agent({ proxyEnv: { HTTP_PROXY: "http://HOST:PORT" } });
      http.get({ host: "public.example", agent }, () => done(1)).on("error", no);
    })""",
}
PLACES = {
    "names that are not listed": ("unlisted.example", "never-heard-of.example", "localhost"),
    "addresses": ("127.0.0.1", METADATA, PRIVATE, PUBLIC, "2130706433", "0", "[::1]", "[fd00::5]"),
    "listed names of private addresses": LOCKED,
}
SUM_UP = """const said = {};
for (const [place, run] of Object.entries({ %s })) {
  try {
    said[place] = ["reached", await run()];
  } catch (error) {
    const text = [error, error?.cause, error?.code, ...error?.errors ?? []].join();
    said[place] = /NotCapable|net access|EPERM/.test(text) ? "refused"
      : / is not a (function|constructor)/.test(text) ? "absent" : text;
  }
}
return said;"""


def sum_up(way: str, places: tuple[str, ...], port: int = 80) -> str:
    """Code that says of each place how it went."""
    tries = []
    for place in places:
        host = place if "://" in WAYS[way] else place.strip("[]")
        code = WAYS[way].replace("HOST", host).replace("PORT", str(port))
        tries.append(f'"{place}": async () => ({code})')
    return SUM_UP % ",".join(tries)


@pytest.fixture(autouse=True)
def names(world: World) -> None:
    world.name(**NAMES)


@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_place_is_not_reached(arena: Arena, way: str, places: tuple[str, ...]) -> None:
    said = arena.probe(sum_up(way, places), hosts=("public.example", *LOCKED))

    found = json.loads(said.removeprefix("reached: "))
    assert set(found) == set(places)
    assert set(found.values()) <= {"refused", "absent"}
    arena.word = ", ".join(sorted(set(found.values())))


@pytest.mark.parametrize("way", WAYS)
def test_other_port_of_a_listed_name(arena: Arena, way: str) -> None:
    said = arena.probe(sum_up(way, ("public.example",), 8080), hosts=("public.example",))

    assert json.loads(said.removeprefix("reached: "))["public.example"] in {"refused", "absent"}
    arena.word = "refused"


@pytest.mark.parametrize("way", WAYS)
def test_listed_name_is_reached(whole_arena: Arena, way: str) -> None:
    """Else the other tests would say nothing."""
    whole_arena.may_touch = {(PUBLIC, 80)}

    said = whole_arena.probe(sum_up(way, ("public.example",)), hosts=("public.example",))

    # The kernel has connected before the server takes notice.
    ends_at = time.monotonic() + 5
    while not whole_arena.world.connections() and time.monotonic() < ends_at:
        time.sleep(0.01)
    assert whole_arena.world.connections() or "absent" in said


def test_private_address_of_ipv6_needs_the_kernel(arena: Arena) -> None:
    """Deno knows no ranges of IPv6; only without seccomp a listed name may lead to one."""
    arena.world.name(**{"private6.example": PRIVATE6})
    needed = "seccomp" in arena.layers
    arena.may_touch = set() if needed else {(PRIVATE6, 80)}

    said = arena.probe(sum_up("fetch", ("private6.example",)), hosts=("private6.example",))

    assert bool(arena.world.connections()) is not needed, said
    arena.word = "reached" if not needed else "refused"


REDIRECTS = {
    "another name": "http://unlisted.example/",
    "an address": "http://127.0.0.1/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "a listed name of a private address": "http://loop.example/",
    "another port": "http://public.example:8080/",
    "a file": "file:///etc/passwd",
    "data": "data:text/plain,x",
}


@pytest.mark.parametrize("target", REDIRECTS.values(), ids=REDIRECTS)
@pytest.mark.parametrize("status", [302, 307])
def test_redirect(arena: Arena, target: str, status: int) -> None:
    arena.world.serve("public.example", {"/": Answer(status, {"location": target})})
    arena.may_touch = {(PUBLIC, 80)}

    said = arena.probe(
        'return (await fetch("http://public.example/", { method: "POST", body: "x" })).text()',
        hosts=("public.example", "loop.example"),
    )

    assert said in {"NotCapable", "TypeError"}
    assert [one.host for one in arena.world.requests()] == ["public.example"]


LOOKUPS = {
    "net": 'require("net").connect({ host: "public.example", port: 80, lookup })',
    "tls": 'require("tls").connect({ host: "public.example", port: 443, lookup })',
    "http": 'require("http").get({ host: "public.example", lookup })',
    "https": 'require("https").get({ host: "public.example", lookup })',
}


@pytest.mark.parametrize("code", LOOKUPS.values(), ids=LOOKUPS)
def test_lookup_of_the_attackers_own(arena: Arena, code: str) -> None:
    said = arena.probe(
        f"""const address = "{PRIVATE}", family = 4;
        const lookup = (host, options, done) =>
          options.all ? done(null, [{{ address, family }}]) : done(null, address, family);
        return new Promise((done, no) => {code}.on("error", no).on("connect", () => done(1)))""",
        hosts=("public.example",),
    )

    # Node throws the refusal where nobody can catch it when the request is already under way.
    assert said == "NotCapable" or "net access" in arena.message


def test_name_that_changes_its_address(arena: Arena) -> None:
    """What was resolved is what is looked at, each time."""
    arena.world.rebind("changes.example", PUBLIC, "127.0.0.1", METADATA)
    arena.may_touch, arena.may_ask = {(PUBLIC, 80)}, {"changes.example"}
    asked = 'await fetch("http://changes.example/").then((a) => a.status, (e) => e.name)'

    said = arena.probe(
        f"const said = []; while (said.length < 12) said.push({asked}); return said",
        hosts=("changes.example",),
        timeout_s=15,
    )

    assert set(json.loads(said.removeprefix("reached: "))) == {404, "NotCapable"}


QUESTIONS = {
    "fetch": 'fetch("http://secret.unlisted.example/")',
    "lookup": 'require("dns").promises.lookup("secret.unlisted.example")',
    "resolve4": 'require("dns").promises.resolve4("secret.unlisted.example")',
    "resolveTxt": 'require("dns").promises.resolveTxt("secret.unlisted.example")',
    "reverse": 'require("dns").promises.reverse("203.0.113.99")',
    "lookupService": 'require("dns").promises.lookupService("203.0.113.99", 80)',
    "Deno": 'D.resolveDns("secret.unlisted.example", "A")',
    "Deno's own server": """D.resolveDns("secret.unlisted.example", "A",
        { nameServer: { ipAddr: "127.0.0.1", port: 53 } })""",
    "Deno's own listed server": """D.resolveDns("secret.public.example", "A",
        { nameServer: { ipAddr: "203.0.113.10", port: 80 } })""",
    "own server": """new Promise((done, no) => {
      const resolver = new (require("dns").Resolver)();
      resolver.setServers(["203.0.113.10:80"]);
      resolver.resolve4("secret.public.example", (error, found) => error ? no(error) : done(found));
    })""",
    "connect": 'D.connect({ hostname: "secret.unlisted.example", port: 80 })',
    "datagram": """new Promise((done, no) => {
      require("dgram").createSocket("udp4").on("error", no)
        .send("x", 80, "secret.unlisted.example", (error) => error ? no(error) : done(1));
    })""",
    "name in a name": 'fetch("http://secret.public.example/")',
    "name with a dot": 'fetch("http://unlisted.example./")',
    "preconnect": 'fetch("http://public.example:81@secret.unlisted.example/")',
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_name_server_is_not_asked(arena: Arena, question: str) -> None:
    said = arena.probe(
        f"process.on; addEventListener('error', () => {{}}); return await {question}",
        hosts=("public.example",),
    )

    assert said in {"NotCapable", "Error", "TypeError"} or "net access" in arena.message


def test_wildcard_leaks_names_below_it_only(arena: Arena) -> None:
    """What a wildcard allows is to ask for any name below it: an owner's name server hears it."""
    arena.may_ask = {"secret.public.example"}
    names = ("secret.public.example", "public.example.unlisted.example", "xpublic.example")
    tries = ",".join(f'fetch("http://{name}/").catch((error) => error.name)' for name in names)

    said = arena.probe(f"return Promise.all([{tries}])", hosts=("*.public.example",))

    assert said == 'reached: ["TypeError","NotCapable","NotCapable"]'


SPOKEN = {
    "credentials": "http://public.example:80@127.0.0.1/",
    "short address": "http://127.1/",
    "octal": "http://0177.0.0.1/",
    "hexadecimal": "http://0x7f000001/",
    "wide digits": "http://\uff11\uff12\uff17.0.0.1/",
    "dots of another kind": "http://127\u30020\u30020\u30021/",
    "mapped": "http://[::ffff:127.0.0.1]/",
    "compatible": "http://[::127.0.0.1]/",
    "zone": "http://[fe80::1%25lo]/",
    "NUL": "http://public.example%00.unlisted.example/",
    "backslash": "http://unlisted.example\\\\@public.example.unlisted.example/",
    "tab": "http://unlisted\\t.example/",
    "file": "file:///etc/hosts",
    "ftp": "ftp://public.example/",
    "blob": "blob:http://127.0.0.1/x",
    "unix": "http+unix://%2Ftmp%2Fx/",
    "port 53": "http://public.example:53/",
}


@pytest.mark.parametrize("url", SPOKEN.values(), ids=SPOKEN)
def test_address_in_other_words(arena: Arena, url: str) -> None:
    said = arena.probe(f'return (await fetch("{url}")).text()', hosts=("public.example",))

    assert said in {"NotCapable", "TypeError"}


SOCKETS = {
    "Unix, Deno": ("NotCapable", 'D.connect({ transport: "unix", path: canary })'),
    "Unix, abstract": ("NotCapable", 'D.connect({ transport: "unix", path: "\\0houston" })'),
    "Unix, net": (
        "NotCapable",
        """new Promise((done, no) => require("net").connect({ path: canary }).on("error", no)
            .on("connect", done))""",
    ),
    "Unix, http": (
        "NotCapable",
        """new Promise((done, no) => require("http").get({ socketPath: canary }).on("error", no)
            .on("response", done))""",
    ),
    "Unix, listening": ("NotCapable", 'D.listen({ transport: "unix", path: "/tmp/attack" })'),
    "vsock": ("ended: crashed", 'D.connect({ transport: "vsock", cid: 2, port: 80 })'),
    "vsock, listening": ("ended: crashed", 'D.listen({ transport: "vsock", cid: -1, port: 80 })'),
    "listening": ("NotCapable", "D.listen({ port: 8081 })"),
    "listening on loopback": ("NotCapable", 'D.listen({ hostname: "127.0.0.1", port: 80 })'),
    "listening, net": (
        "NotCapable",
        """new Promise((done, no) => require("net").createServer().on("error", no)
            .listen(0, done))""",
    ),
    "serving": ("NotCapable", "D.serve(() => new Response())"),
    "datagrams": (
        "ended: runtime-exception",
        """new Promise((done) => require("dgram").createSocket("udp4").bind(0, done))""",
    ),
    "datagram": (
        "ended: runtime-exception",
        """new Promise((done) => require("dgram").createSocket("udp4")
            .send("x", 53, "127.0.0.1", done))""",
    ),
    "own end of another's connection": (
        "TypeError",
        'new (require("net").Socket)({ fd: 3 })',
    ),
    "QUIC": ("TypeError", "new D.QuicEndpoint()"),
    "WebTransport": ("ReferenceError", 'new WebTransport("https://127.0.0.1/").ready'),
    "HTTP client's certificate": (
        "NotCapable",
        "(await node('tls')).createSecureContext({ ca: D.readTextFileSync(canary) })",
    ),
}


@pytest.mark.parametrize("attack", SOCKETS)
def test_socket(arena: Arena, attack: str) -> None:
    error, code = SOCKETS[attack]

    assert arena.probe(f"return await {code}", hosts=("public.example",)) == error


def test_headers_cannot_reach_another_server(arena: Arena) -> None:
    arena.world.serve("public.example", lambda request: Answer(200, {}, request.host.encode()))
    arena.may_touch = {(PUBLIC, 80)}

    said = arena.probe(
        """return (await fetch("http://public.example/", {
          headers: { host: "metadata.example", "x-a": "b" }
        })).text()""",
        hosts=("public.example",),
    )

    assert said.startswith("reached")
    assert arena.world.connections() == [(PUBLIC, 80)]
