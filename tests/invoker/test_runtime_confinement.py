"""What a function cannot reach, cannot break and cannot forge, whatever it does."""

import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoker import runtime
from invoker.runtime import confine
from invoker.runtime.results import Outcome
from tests.invoker.sandboxes import calls_back, code_of, own_supervisor, run

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


# --- Out of reach ---------------------------------------------------------------------------------

# Expressions, by what their error is named. `D` is the real Deno, which Node's modules need.
REFUSED = {
    "NotCapable": """
require("fs").readFileSync("/etc/passwd", "utf8")
require("fs").readFileSync("/etc/hosts", "utf8")
require("fs").readFileSync("/proc/self/environ", "utf8")
require("fs").readFileSync("/dev/fd/0")
require("fs").readFileSync(D.mainModule.slice(7), "utf8")
require("fs").readdirSync("/")
require("fs").statSync("/etc/shadow")
require("fs").writeFileSync("/tmp/houston-test", "x")
require("fs").symlinkSync("/etc/passwd", "/tmp/houston-test")
D.readTextFileSync("/etc/passwd")
D.makeTempDirSync()
D.env.toObject()
D.env.get("PATH")
(await import("node:process")).env.HOUSTON_DATA_DIR
(() => 1).constructor("return Deno")().env.toObject()
require("vm").runInNewContext("f()", { f: () => D.env.get("PATH") })
new D.Command("/bin/true").outputSync()
process.getBuiltinModule("child_process").execSync("id")
(await import("node:child_process")).execFileSync("/bin/true")
D.dlopen("/lib/libc.so.6", {})
(await import("node:process")).dlopen({ exports: {} }, "/lib/libc.so.6")
(await import("node:module")).createRequire("/etc/x.js")("/etc/passwd")
new (await import("node:sqlite")).DatabaseSync("/tmp/houston-test")
(await import("node:inspector")).open(0)
(await import("node:v8")).writeHeapSnapshot("/tmp/houston-test")
D.kill(1)
(await import("node:process")).kill(D.ppid, 9)
require("os").hostname()
require("os").userInfo()
require("os").networkInterfaces()
await fetch("https://example.org/")
await fetch("http://127.0.0.1:8000/")
await fetch("http://2130706433/")
await fetch("http://[::1]:8000/")
await fetch("http://169.254.169.254/latest/")
await new Promise((_, no) => require("http").get("http://127.0.0.1:9/").on("error", no))
await new Promise((_, no) => require("net").connect(9, "127.0.0.1").on("error", no))
await new Promise((_, no) => require("net").connect("/tmp/x.sock").on("error", no))
await new Promise((_, no) => require("net").createServer().on("error", no).listen(0))
await new Promise((_, no) => new WebSocket("ws://127.0.0.1:9").onerror = (e) => no(e.error))
await D.connect({ transport: "unix", path: "/tmp/x.sock" })
await D.resolveDns("example.org", "A")
D.listen({ port: 0 })
D.serve(() => 1)
""",
    "TypeError": """
Deno.env.toObject()
await import("file:///etc/passwd")
await import("file:///etc/passwd", { with: { type: "text" } })
await import("file:///etc/passwd", { with: { type: "json" } })
await import("data:text/javascript,import 'file:///etc/passwd'")
await import("https://example.org/x.js")
await import("npm:left-pad")
await import("jsr:@std/path")
""",
    "Error": """
await require("dns").promises.resolve4("example.org")
await require("dns").promises.lookup("example.org")
require("child_process")
require("worker_threads")
require("node:inspector")
require("./other.js")
require("left-pad")
new (await import("node:sqlite")).DatabaseSync(":memory:").exec("attach '/etc/passwd' as x")
(await import("node:process")).kill((await import("node:process")).pid, 9)
""",
    "ReferenceError": """
new Worker("data:text/javascript,")
localStorage.x
prompt("name")
""",
    "RangeError": "new WebAssembly.Memory({ initial: 65536 })",
}


def test_function_cannot_reach_anything() -> None:
    probes = [line for lines in REFUSED.values() for line in lines.strip().splitlines()]
    tried = ",".join(f"async () => {probe}" for probe in probes)
    source = f"""const D = globalThis.Deno;
async function lambda() {{
  const said = [];
  for (const probe of [{tried}]) {{
    try {{
      said.push("reached: " + JSON.stringify(await probe()));
    }} catch (error) {{
      said.push(error.name);
    }}
  }}
  return said;
}}"""

    result = run(source, environment={"NAME": "own"}, timeout_s=30)

    assert result.failure is None
    assert dict(zip(probes, result.value, strict=True)) == {
        probe: name for name, lines in REFUSED.items() for probe in lines.strip().splitlines()
    }


def test_function_cannot_reach_udp() -> None:
    result = run('function lambda(input, cb) { require("dgram").createSocket("udp4").bind(0); }')

    assert result.failure is not None
    assert result.failure.name == "NotCapable"


def test_permission_asked_for_is_denied() -> None:
    source = """async function lambda() {
  const names = ["read", "write", "net", "env", "run", "ffi", "sys", "import"];
  const asked = names.map((name) => globalThis.Deno.permissions.request({ name }));
  return (await Promise.all(asked)).map((answer) => answer.state);
}"""

    # Reading is allowed in part: the bundles of the host.
    assert run(source).value == ["denied"] * 8


def test_worker_by_import_ends_the_sandbox_only() -> None:
    ended = run("""async function lambda() {
  const { Worker } = await import("node:worker_threads");
  await new Promise((done) => new Worker("for (;;) {}", { eval: true }).on("exit", done));
}""")

    assert code_of(ended) in {"memory-exceeded", "crashed"}
    assert run(calls_back("1")).value == 1


def test_what_functions_may_count_on_is_there() -> None:
    source = """const names = `Buffer URL URLSearchParams fetch Headers Request Response setTimeout
setInterval setImmediate clearTimeout queueMicrotask structuredClone TextEncoder TextDecoder
AbortController crypto performance atob btoa Intl WebAssembly`.split(/\\s+/);
const modules = `assert async_hooks buffer console crypto dns events fs http https net os path
process punycode querystring stream string_decoder timers tls url util vm zlib`.split(/\\s+/);
function lambda(input, callback) {
  const missing = names.filter((name) => typeof globalThis[name] === "undefined");
  for (const name of modules) if (require(name) !== require("node:" + name)) missing.push(name);
  callback(null, missing);
}"""

    assert run(source).value == []


def test_hosts_on_the_list_cannot_lead_to_private_addresses() -> None:
    source = """async function lambda(input) {
  try {
    await fetch(input);
  } catch (error) {
    return String(error);
  }
}"""

    local = run(source, "http://localhost/", hosts=("localhost",))
    other = run(source, "http://example.org/", hosts=("localhost",))

    assert local.value.startswith('NotCapable: Cannot connect to "127.0.0.1:80"')
    assert other.value.startswith('NotCapable: Cannot connect to "example.org:80"')


@pytest.mark.parametrize("host", ["a.example,127.0.0.1", "a b", "", "*", "x\0y", "a:80", "-h"])
def test_host_that_is_no_name_is_refused(host: str) -> None:
    result = run(calls_back("1"), hosts=(host,))

    assert (result.outcome, code_of(result)) == (Outcome.PLATFORM_FAILURE, "unavailable")


def test_very_many_hosts_do_not_end_the_supervisor() -> None:
    before = runtime.report().supervisor_pid

    run(calls_back("1"), hosts=tuple(f"h{n}.example.org" for n in range(20_000)))

    assert runtime.report().supervisor_pid == before


FORGERIES = {
    "garbage": "out.writeSync(new Uint8Array([255, 255, 255, 255, 1]))",
    "other id": 'say(`{"id":999999,"ok":true,"value":1}`)',
    "not an object": 'say("[]")',
    "two answers": 'say(`{"id":${id},"ok":true}`, `{"id":${id + 1},"ok":true}`)',
    "level": """say(`{"id":${id},"ok":true,"logs":[
        {"level":"<b>","message":"","extras":[],"timestamp":1}]}`)""",
    "time": """say(`{"id":${id},"ok":true,"logs":[
        {"level":"Info","message":"","extras":[],"timestamp":1e300}]}`)""",
    "count": 'say(`{"id":${id},"ok":true,"dropped":99999999999999999999}`)',
    "negative": 'say(`{"id":${id},"ok":true,"ms":-5}`)',
    "large result": 'say(`{"id":${id},"ok":true,"value":"${"x".repeat(3e6)}"}`)',
    "large log": """say(`{"id":${id},"ok":true,"logs":[
        {"level":"Info","message":"${"x".repeat(1e6)}","extras":[],"timestamp":1}]}`)""",
    "deep": 'say(`{"id":${id},"ok":true,"value":${"[".repeat(1e5)}${"]".repeat(1e5)}}`)',
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_forged_answer_ends_the_sandbox(forgery: str) -> None:
    # The ids of runs count from 1 and are no secret: a function may only fool itself.
    result = run(
        """const out = globalThis.Deno.stdout;
const id = __ID__;
function say(...texts) {
  const bytes = texts.flatMap((text) => {
    const body = new TextEncoder().encode(text);
    return [...new Uint8Array(Uint32Array.of(body.length).buffer), ...body];
  });
  const all = Uint8Array.from(bytes);
  for (let sent = 0; sent < all.length;) sent += out.writeSync(all.subarray(sent));
}
function lambda() { __FORGERY__; for (;;); }""".replace("__FORGERY__", forgery).replace(
            "__ID__", str(next(runtime._ready()._ids) + 1)
        ),
        timeout_s=20,
    )

    assert code_of(result) == "protocol"
    assert result.outcome is Outcome.CODING_FAILURE


def test_function_that_closes_its_channel_has_crashed() -> None:
    source = "const d = globalThis.Deno; function lambda() { d.exit(0); }"

    result = run(source, key="leaves")

    assert code_of(result) == "crashed"


def test_function_that_writes_on_fd_1_is_ended_and_the_next_run_is_clean() -> None:
    source = """function lambda(input, callback) {
  if (input) require("fs").writeSync(1, "garbage, as a frame: far too long");
  callback(null, "clean");
}"""
    run(source, False, key="writes")

    first, second = run(source, True, key="writes"), run(source, False, key="writes")

    assert code_of(first) == "protocol"
    assert (second.value, second.cold) == ("clean", True)


CHANNEL = {
    "reads": "globalThis.Deno.stdin.read(new Uint8Array(10));",
    "closes in": "globalThis.Deno.stdin.close();",
    "closes out": "globalThis.Deno.stdout.close();",
    "closes both": 'require("fs").closeSync(0); require("fs").closeSync(1);',
}


@pytest.mark.parametrize("body", CHANNEL.values(), ids=CHANNEL)
def test_function_that_takes_the_channel_only_loses_its_sandbox(body: str) -> None:
    source = f"function lambda(input, callback) {{ {body} callback(null, 1); }}"

    results = [run(source, key=body) for _ in range(3)]

    # Whether the next run finds it gone or sees it go is a matter of microseconds. What two read
    # the host may get as well: then nothing was lost.
    cold = (True, False) if body == CHANNEL["reads"] else (True,)
    for result in results:
        assert (result.value == 1 and result.cold in cold) or code_of(result) == "crashed"


# --- Builtins that a function has changed ---------------------------------------------------------

EVERYTHING_OF = """for (const owner of [%s]) {
  for (const name of Reflect.ownKeys(owner)) {
    try { Object.defineProperty(owner, name, { get() { throw 1; } }); } catch {}
  }
}"""
CHANGES = {
    "setters for every object": """for (const name of ["id", "event", "load", "check", "then", "ok",
        "value", "logs", "dropped", "ms", "count", "level", "message", "extras", "timestamp",
        "name", "stack", "code", "limits", "source", "isSettled", "startedAt", "entries"]) {
      const trap = () => { throw new Error(name); };
      Object.defineProperty(Object.prototype, name, { __proto__: null, get: trap, set: trap });
    }""",
    "values for every object": """for (const name of ["id", "event", "load", "check", "ready"]) {
      Object.prototype[name] = { source: "1", limits: {}, environment: {} };
    }""",
    "toJSON": "Object.prototype.toJSON = () => { throw 1; };",
    "JSON": "JSON.parse = JSON.stringify = () => { throw 1; }; globalThis.JSON = null;",
    "arrays": EVERYTHING_OF % "Array.prototype",
    "indices": """for (let n = 0; n < 10; n++) {
      Object.defineProperty(Array.prototype, n, { get() { throw 1; }, set() { throw 2; } });
    }""",
    "iterators": "Object.getPrototypeOf([][Symbol.iterator]()).next = () => { throw 1; };",
    "texts": EVERYTHING_OF % "String.prototype",
    "promises": EVERYTHING_OF % "Promise.prototype" + "Promise.resolve = null;",
    "promises that never settle": "Promise.prototype.then = () => {};",
    "functions": """for (const name of ["call", "apply", "bind"]) {
      Function.prototype[name] = () => { throw 1; };
    }""",
    "buffers": EVERYTHING_OF % "ArrayBuffer.prototype, DataView.prototype",
    "regular expressions": EVERYTHING_OF % "RegExp.prototype",
    "maps": EVERYTHING_OF % "Map.prototype, Set.prototype, WeakMap.prototype",
    "encoders": EVERYTHING_OF % "TextEncoder.prototype, TextDecoder.prototype",
    "events": EVERYTHING_OF
    % """Event.prototype, EventTarget.prototype, ErrorEvent.prototype,
        PromiseRejectionEvent.prototype""",
    "numbers": "Number.parseInt = Math.round = Math.floor = () => { throw 1; };",
    "clocks": 'Date.now = () => "x"; globalThis.performance = null;',
    "Deno": "for (const n of Object.keys(globalThis.Deno)) globalThis.Deno[n] = null;",
    "no globals": """for (const name of Reflect.ownKeys(globalThis)) {
      if (name !== "TypeError") try { delete globalThis[name]; } catch {}
    }""",
    "a frozen global": "Object.freeze(globalThis); Object.freeze(Object.prototype);",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_host_goes_on_when_a_function_changes(change: str) -> None:
    source = f"""function lambda(input, callback) {{
  console.info("said", [1], "x");
  if (input === 1) {{
    {change}
  }}
  if (input === 3) throw new TypeError("no");
  callback(null, input);
}}"""

    results = [run(source, n, key=change) for n in (1, 2, 3)]

    assert [result.value for result in results] == [1, 2, None]
    assert [result.cold for result in results] == [True, False, False]
    assert [entry.message for result in results for entry in result.logs] == ["said"] * 3
    assert (code_of(results[2]), results[2].failure and results[2].failure.line) == (
        "runtime-exception",
        change.count("\n") + 6,
    )


def test_host_fails_at_once_when_not_even_deno_can_go_on() -> None:
    change = EVERYTHING_OF % "Object.getPrototypeOf(Uint8Array.prototype)"

    result = run(f"function lambda(input, callback) {{ {change} callback(null, 1); }}")

    assert code_of(result) == "crashed"


def test_change_of_builtins_stays_in_its_own_sandbox() -> None:
    for n, change in enumerate(list(CHANGES.values())[:3]):
        run(f"function lambda() {{ {change} globalThis.left = {n}; }}", key=f"polluter {n}")

    clean = run(calls_back("[typeof left, ({}).id ?? null, JSON.stringify({})]"), key="clean")

    assert clean.value == ["undefined", None, "{}"]


LISTENERS = {
    "swallows": """addEventListener("unhandledrejection", (e) => e.stopImmediatePropagation());
addEventListener("beforeunload", (e) => e.preventDefault());
onunhandledrejection = onerror = onbeforeunload = () => true;
function lambda(input, callback) {}""",
    "fakes": 'function lambda(i, callback) { dispatchEvent(new Event("beforeunload")); }',
}


@pytest.mark.parametrize("source", LISTENERS.values(), ids=LISTENERS)
def test_listeners_of_a_function_cannot_hide_that_it_has_ended(source: str) -> None:
    result = run(source)

    assert code_of(result) == "no-result"


# --- The kernel's layers --------------------------------------------------------------------------


def test_every_layer_takes_on_this_machine() -> None:
    assert runtime.report().layers == {
        "permissions": True,
        "rlimits": True,
        "no_new_privs": True,
        "landlock": True,
        "seccomp": True,
    }


def confined(code: str, *arguments: str) -> str:
    """What a process prints that has `rules` of a supervisor and may confine itself."""
    prelude = """
import dataclasses, json, os, socket, sys
from pathlib import Path
from invoker.runtime import confine
from invoker.runtime.supervisor import Settings, Supervisor
supervisor = Supervisor(socket.socketpair()[0], Settings(256, 1, 1, 1.0, 0, []), Path())
rules = supervisor.rules
"""
    done = subprocess.run(
        [sys.executable, "-c", prelude + code, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(confine.__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kernel_refuses_what_deno_allows() -> None:
    """Even a Deno with every permission, as after a way out of V8, is held."""
    script = """
const tried = {
  passwd: () => Deno.readTextFileSync("/etc/passwd"),
  environ: () => Deno.readTextFileSync("/proc/self/environ"),
  list: () => [...Deno.readDirSync("/")],
  write: () => Deno.writeTextFileSync("/tmp/houston-test", "x"),
  run: () => new Deno.Command("/bin/true").outputSync(),
  kill: () => Deno.kill(Deno.ppid, "SIGTERM"),
  ipv6: async () => await Deno.connect({ hostname: "::1", port: 9 }),
  listen6: () => Deno.listen({ hostname: "::1", port: 0 }),
};
const said = {};
for (const [name, run] of Object.entries(tried)) {
  try {
    await run();
    said[name] = "reached";
  } catch (error) {
    said[name] = /EPERM|os error 1\\b|not permitted/i.test(String(error)) ? "EPERM" : error.name;
  }
}
console.log(JSON.stringify(said));
"""
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        path = Path(directory, "probe.js")
        path.write_text(script)

        said = confined(
            """
path = sys.argv[1]
confine.apply(dataclasses.replace(rules, readable=(*rules.readable, os.path.dirname(path))))
os.execve(supervisor.deno, [supervisor.deno, "run", "-A", "--quiet", path],
          supervisor._environment())
""",
            str(path),
        )

    assert json.loads(said) == {
        "passwd": "PermissionDenied",
        "environ": "PermissionDenied",
        "list": "PermissionDenied",
        "write": "PermissionDenied",
        "run": "EPERM",
        "kill": "EPERM",
        "ipv6": "EPERM",
        "listen6": "EPERM",
    }


def test_process_whose_parent_has_died_already_ends() -> None:
    code = """
child = os.fork()
if child == 0:
    confine.apply(rules, [], parent=1 if os.getppid() != 1 else 2)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

    assert confined(code).strip() == "1"


def test_function_cannot_make_a_client_of_its_own() -> None:
    """With a SOCKS proxy it would resolve names without a look at what comes out."""
    source = """function lambda(input, callback) {
  const { createHttpClient, HttpClient } = globalThis.Deno;
  callback(null, [typeof createHttpClient, typeof HttpClient]);
}"""

    assert run(source).value == ["undefined", "undefined"]


def test_layers_that_a_kernel_lacks_are_left_out() -> None:
    said = confined("""
class OldKernel:
    def __init__(self, libc):
        self.libc = libc

    def syscall(self, number, *arguments):
        return -1

    def prctl(self, what, *arguments):
        return -1 if what == confine.PR_SET_SECCOMP else self.libc.prctl(what, *arguments)

confine._libc = OldKernel(confine._libc)
print(json.dumps(confine.apply(rules)))
""")

    assert json.loads(said) == {
        "no_new_privs": True,
        "rlimits": True,
        "landlock": False,
        "seccomp": False,
    }


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_landlock_of_every_version_holds(version: int) -> None:
    said = confined(
        """
class OldLandlock:
    def __init__(self, libc):
        self.libc = libc
        self.prctl = libc.prctl

    def syscall(self, number, *arguments):
        if number == confine._CREATE_RULESET and arguments[0] is None:
            return int(sys.argv[1])
        return self.libc.syscall(number, *arguments)

confine._libc = OldLandlock(confine._libc)
took = confine._landlock(rules) if confine._libc.prctl(38, 1, 0, 0, 0) == 0 else None
try:
    held = not open("/etc/passwd")
except PermissionError:
    held = True
print(json.dumps([took, held, open("/etc/hosts").read(1) != ""]))
""",
        str(version),
    )

    assert json.loads(said) == [True, True, True]


ALLOWED, KILLED, NOT_PERMITTED, NOT_IMPLEMENTED = 0x7FFF0000, 0x80000000, 0x50001, 0x50026


def decide(machine: str, call: int, argument: int = 0, *, audit: int | None = None) -> int:
    """What the filter of a machine answers to a system call, as the kernel would work it out."""
    program = [struct.unpack("HBBI", one) for one in confine._filter(machine)]
    seen = {0: call, 4: confine._CALLS[machine][0] if audit is None else audit, 16: argument}
    at = value = 0
    while True:
        code, then, otherwise, operand = program[at]
        at += 1
        match code:
            case 0x20:
                value = seen[operand]
            case 0x06:
                return operand
            case 0x15:
                at += then if value == operand else otherwise
            case 0x35:
                at += then if value >= operand else otherwise
            case 0x45:
                at += then if value & operand else otherwise
            case _:
                pytest.fail(f"no such instruction: {code:#x}")


# Of the kernel's tables: read, openat, clone, clone3, socket, kill, ptrace.
NUMBERS = {
    "x86_64": (0, 257, 56, 435, 41, 62, 101),
    "aarch64": (63, 56, 220, 435, 198, 129, 117),
}


@pytest.mark.parametrize("machine", NUMBERS)
def test_filter_decides_as_it_should(machine: str) -> None:
    read, openat, clone, clone3, socket, kill, ptrace = NUMBERS[machine]
    thread_of_glibc, child = 0x3D0F00, 0x1200011

    assert {decide(machine, call) for call in (read, openat, 1000)} == {ALLOWED}
    assert {decide(machine, call) for call in (kill, ptrace)} == {NOT_PERMITTED}
    assert decide(machine, clone3) == NOT_IMPLEMENTED
    assert decide(machine, clone, thread_of_glibc) == ALLOWED
    assert decide(machine, clone, child) == NOT_PERMITTED
    assert [family for family in range(45) if decide(machine, socket, family) == ALLOWED] == [1, 2]
    prlimit64 = {"x86_64": 302, "aarch64": 261}[machine]
    assert decide(machine, prlimit64, 0) == ALLOWED
    assert decide(machine, prlimit64, 4711) == NOT_PERMITTED
    assert decide(machine, read, audit=0x40000003) == KILLED
    for name, call in confine._REFUSED[machine].items():
        assert decide(machine, call) == NOT_PERMITTED, name


def test_filter_refuses_the_other_calls_of_x86() -> None:
    assert decide("x86_64", 0x40000000 + 1) == KILLED


def test_filters_have_the_length_that_their_tables_give() -> None:
    lengths = {machine: len(confine._filter(machine)) for machine in NUMBERS}

    assert lengths == {
        "x86_64": 4 + 2 + 2 * len(confine._REFUSED["x86_64"]) + 2 + 5 + 5 + 8,
        "aarch64": 4 + 2 * len(confine._REFUSED["aarch64"]) + 2 + 5 + 5 + 8,
    }
