"""The sandbox, with real Deno processes: what functions may count on and what they cannot reach."""

import hashlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from invoker import runtime
from invoker.runtime import confine
from invoker.runtime.client import Pool
from invoker.runtime.results import Config, Outcome, Program, Result

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    """A supervisor of this file's own, because some tests kill it."""
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        runtime.configure(Config(directory=Path(directory), wait_s=5))
        yield
        apps.get_app_config("invoker").ready()


@pytest.fixture
def small_pool() -> Iterator[Pool]:
    """Room for two sandboxes, one of them for each account."""
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        pool = Pool(
            Config(
                directory=Path(directory), max_instances=2, max_instances_per_account=1, wait_s=0.3
            )
        )
        yield pool
        pool.close()


def run(source: str, event: Any = None, *, timeout_s: float = 10.0, **program: Any) -> Result:
    return runtime.run(Program(source, **program), event, timeout_s=timeout_s)


def code_of(result: Result) -> str:
    assert result.failure is not None
    return result.failure.code


def calls_back(expression: str) -> str:
    """A function whose result is what an expression of `input` gives."""
    return f"function lambda(input, callback) {{ callback(null, {expression}); }}"


# --- The contract of functions --------------------------------------------------------------------

ANSWERS_21_TWICE = {
    "callback": calls_back("input.n * 2"),
    "callback later": """function lambda(input, callback) {
        setTimeout(() => callback(null, input.n * 2), 5);
    }""",
    "async with callback": """async function lambda(input, callback) {
        await null;
        callback(null, input.n * 2);
        return "the callback decides";
    }""",
    "only the first call counts": """function lambda(input, callback) {
        callback(null, input.n * 2);
        callback(new Error("late"));
    }""",
    "undefined error": "function lambda(input, cb) { cb(undefined, input.n * 2); }",
    "returned value": "function lambda(input) { return input.n * 2; }",
    "promise": "async function lambda(input) { await null; return input.n * 2; }",
    "arrow": "const lambda = (input, callback) => callback(null, input.n * 2);",
    "exports.lambda": "exports.lambda = async (input) => input.n * 2;",
    "module.exports.lambda": "module.exports = { lambda: (input) => input.n * 2 };",
    "module.exports": "module.exports = (input, callback) => callback(null, input.n * 2);",
    "comment on the last line": calls_back("input.n * 2") + " // the end",
}


@pytest.mark.parametrize("source", ANSWERS_21_TWICE.values(), ids=ANSWERS_21_TWICE)
def test_result_of_every_way_to_answer(source: str) -> None:
    result = run(source, {"n": 21})

    assert (result.outcome, result.value, result.failure) == (Outcome.SUCCEEDED, 42, None)
    assert result.cold
    assert result.duration_ms < 5000


FAILURES = {
    "callback with an error": (
        'function lambda(input, callback) { callback(new Error("no")); }',
        ("custom-failure", "Error", "no", 1),
    ),
    "callback with a text": (
        'function lambda(input, callback) { callback("no"); }',
        ("custom-failure", "Error", "no", None),
    ),
    "throw": (
        'function lambda(input, callback) {\n  throw new Error("no");\n}',
        ("custom-failure", "Error", "no", 2),
    ),
    "own class": (
        """class Lost extends Error { name = "Lost" }
function lambda() {

  throw new Lost("no");
}""",
        ("custom-failure", "Lost", "no", 4),
    ),
    "rejection": (
        'async function lambda(input, callback) {\n  throw new Error("no");\n}',
        ("custom-failure", "Error", "no", 2),
    ),
    "type error": (
        "function lambda(input, callback) {\n  return input.a.b;\n}",
        (
            "runtime-exception",
            "TypeError",
            "Cannot read properties of undefined (reading 'b')",
            2,
        ),
    ),
    "reference error": (
        "async function lambda(input) {\n\n  return missing;\n}",
        ("runtime-exception", "ReferenceError", "missing is not defined", 3),
    ),
    "syntax error at run time": (
        'function lambda(input) {\n  return JSON.parse("{");\n}',
        (
            "runtime-exception",
            "SyntaxError",
            "Expected property name or '}' in JSON at position 1 (line 1 column 2)",
            2,
        ),
    ),
    "throw in a timer": (
        """function lambda(input, callback) {
  setTimeout(() => {
    throw new Error("no");
  });
}""",
        ("custom-failure", "Error", "no", 3),
    ),
    "unhandled rejection": (
        """function lambda(input, callback) {
  Promise.reject(new Error("no"));
  setTimeout(() => {}, 9000);
}""",
        ("custom-failure", "Error", "no", 2),
    ),
}


@pytest.mark.parametrize(("source", "expected"), FAILURES.values(), ids=FAILURES)
def test_failure_of_every_way_to_fail(
    source: str, expected: tuple[str, str, str, int | None]
) -> None:
    result = run(source, {})

    failure = result.failure
    assert result.outcome is Outcome.CODING_FAILURE
    assert result.value is None
    assert failure is not None
    assert (failure.code, failure.name, failure.message, failure.line) == expected


def test_stack_names_only_the_authors_own_lines() -> None:
    source = """function lambda(input, callback) {
  help();
}
function help() {
  throw new Error("deep");
}"""

    failure = run(source).failure

    assert failure is not None
    assert (failure.line, failure.column) == (5, 9)
    assert failure.stack.splitlines() == [
        "Error: deep",
        "    at help (index.js:5:9)",
        "    at lambda (index.js:2:3)",
    ]


def test_column_when_the_failure_is_on_the_first_line() -> None:
    failure = run('function lambda(i, c) { throw new Error("x"); }').failure

    assert failure is not None
    assert (failure.line, failure.column) == (1, 31)


@pytest.mark.parametrize(
    "source",
    [
        "function lambda(input, callback) {}",
        "async function lambda(input, callback) { return 1; }",
        "function lambda(input) { return new Promise(() => {}); }",
    ],
)
def test_no_result_is_said_at_once(source: str) -> None:
    started = time.monotonic()

    result = run(source, timeout_s=30)

    assert code_of(result) == "no-result"
    assert result.outcome is Outcome.CODING_FAILURE
    assert time.monotonic() - started < 5


NOT_JSON = {
    "circular": "const a = {}; a.a = a; return a;",
    "bigint": "return 1n;",
    "toJSON throws": 'return { toJSON() { throw new Error("no"); } };',
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_result_that_is_not_json(body: str) -> None:
    result = run(f"function lambda() {{ {body} }}")

    assert code_of(result) == "result-not-json"


def test_result_too_large() -> None:
    result = run('function lambda() { return "x".repeat(50_000_000); }')

    assert code_of(result) == "result-too-large"


@pytest.mark.parametrize("value", ["undefined", "null", "() => 1", "NaN"])
def test_result_without_a_value(value: str) -> None:
    result = run(f"function lambda(input, callback) {{ callback(null, {value}); }}")

    assert (result.outcome, result.value) == (Outcome.SUCCEEDED, None)


@pytest.mark.parametrize(
    "event",
    [None, True, 0, -1.5, "", "text", [], [1, [2]], {"ä": "\u2028 \U0001f600 \0"}, "x" * 300_000],
)
def test_event_of_any_json_comes_back(event: Any) -> None:
    config = Config(directory=Path("unused"))
    assert config.result_characters < 300_000

    result = run(
        "function lambda(input) { return [typeof input, JSON.stringify(input).length]; }", event
    )
    if event != "x" * 300_000:
        assert run("function lambda(input) { return input; }", event).value == event

    assert result.outcome is Outcome.SUCCEEDED


def test_event_of_bytes_is_taken_as_json() -> None:
    assert run(calls_back("input.a"), b'{"a": [1]}').value == [1]


def test_half_a_character_in_the_result_is_replaced() -> None:
    result = run(r"""function lambda() {
        console.info("\ud83d", "\ude00");
        return ["😀".slice(0, 1), "\\ud83d", "😀"];
    }""")

    assert result.value == ["\ufffd", "\\ud83d", "😀"]
    assert (result.logs[0].message, result.logs[0].extras) == ("\ufffd", ["\ufffd"])


def test_half_a_character_in_an_error_is_replaced() -> None:
    failure = run(r'function lambda() { throw new Error("\ud83d"); }').failure

    assert failure is not None
    assert failure.message == "\ufffd"


def test_program_keeps_its_variables_to_itself() -> None:
    source = calls_back("[process.env.NAME, Object.keys(process.env).sort(), process.env.PATH]")

    result = run(source, environment={"NAME": "Ada", "LD_PRELOAD": "/x.so"})

    assert result.value == ["Ada", ["LD_PRELOAD", "NAME"], None]


def test_modules_of_node_work() -> None:
    result = run("""const { createHash } = require("crypto");
const util = require("node:util");
function lambda(input, callback) {
  const hash = createHash("sha256").update(Buffer.from("houston")).digest("hex");
  callback(null, [hash.slice(0, 8), util.format("%s", 1), typeof process.nextTick]);
}""")

    assert result.value == [hashlib.sha256(b"houston").hexdigest()[:8], "1", "function"]


def test_process_exit_fails_the_run_only() -> None:
    source = (
        'function lambda(input, callback) { if (input) process.exit(3); callback(null, "on"); }'
    )

    ended = run(source, True, key="exit")
    after = run(source, False, key="exit")

    assert code_of(ended) == "process-exit"
    assert after.value == "on"


# --- Loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("function lambda(input { }", "Unexpected token '{'"),
        ("const other = 1;", "There is no function named lambda"),
        ('throw new Error("on load");', "on load"),
        ('require("left-pad"); function lambda() {}', "Cannot find module 'left-pad'"),
        ("}); globalThis.x = 1; (function () {", "Unexpected token '}'"),
    ],
)
def test_load_fails(source: str, message: str) -> None:
    result = run(source)

    assert code_of(result) == "load-failed"
    assert result.outcome is Outcome.CODING_FAILURE
    assert result.failure is not None
    assert message in result.failure.message


def test_prewarm_makes_the_first_run_warm() -> None:
    program = Program(calls_back("input"), key="prewarmed")

    failed = runtime.prewarm(program)
    first = runtime.run(program, 1)

    assert failed is None
    assert (first.value, first.cold) == (1, False)


def test_prewarm_says_why_loading_fails() -> None:
    failed = runtime.prewarm(Program("nonsense(", key="broken"))

    assert failed is not None
    assert code_of(failed) == "load-failed"


def test_load_that_never_ends_is_stopped() -> None:
    result = run("for (;;) {}\nfunction lambda() {}", timeout_s=0.5)

    assert (result.outcome, code_of(result)) == (Outcome.TIMEOUT, "execution-time-exceeded")


# --- Logs -----------------------------------------------------------------------------------------


def test_logs_of_every_level() -> None:
    result = run("""function lambda(input, callback) {
  console.debug("d");
  console.log("l", 1, { a: [true] });
  console.info({ b: 2 });
  console.warn("w", undefined, () => 1);
  console.error(new Error("e"));
  process.stdout.write("out");
  callback(null);
}""")

    assert [(entry.level, entry.message) for entry in result.logs[:4]] == [
        ("Debug", "d"),
        ("Info", "l"),
        ("Info", '{"b":2}'),
        ("Warn", "w"),
    ]
    assert result.logs[1].extras == [1, {"a": [True]}]
    assert (result.logs[4].level, result.logs[4].message.splitlines()[0]) == ("Error", "Error: e")
    assert result.logs[5].message == "out"
    assert abs(result.logs[0].timestamp - time.time() * 1000) < 60_000


def test_logs_of_a_failed_run_are_kept() -> None:
    result = run('function lambda() { console.info("before"); throw new Error("no"); }')

    assert [entry.message for entry in result.logs] == ["before"]


def test_logs_say_how_many_entries_were_dropped() -> None:
    result = run("function lambda() { for (let i = 0; i < 100000; i++) console.info(i); }")

    assert result.dropped_logs == 99_990
    assert [entry.message for entry in result.logs[:10]] == [str(n) for n in range(10)]
    assert len(result.logs) == 11
    assert result.logs[10].level == "Warn"
    assert "99990 more calls of console were dropped" in result.logs[10].message


def test_logs_are_capped_by_characters() -> None:
    result = run('function lambda() { console.info("x".repeat(5e7)); console.info("y"); }')

    assert result.dropped_logs == 1
    assert result.logs[0].message == "y"


def test_logs_survive_values_that_cannot_be_shown() -> None:
    result = run("""function lambda() {
  const circular = {}; circular.self = circular;
  const trap = new Proxy({}, { get() { throw new Error("trap"); } });
  console.info(circular, circular, 1n);
  console.info(trap, trap);
  console.info(Symbol("s"));
  console.info();
  return "on";
}""")

    assert result.value == "on"
    assert len(result.logs) == 4


# --- Limits ---------------------------------------------------------------------------------------

LOOPS = {
    "loop": "function lambda(input, callback) { for (;;) {} }",
    "async loop": "async function lambda() { for (;;) await null; }",
    "timer": "function lambda(input, callback) { setInterval(() => {}, 10); }",
    "toJSON": "function lambda() { return { toJSON() { for (;;) {} } }; }",
    "regular expression": 'function lambda() { return /^(a+)+$/.test("a".repeat(40) + "b"); }',
}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_run_is_stopped_when_its_time_is_over(source: str) -> None:
    started = time.monotonic()

    result = run(source, timeout_s=0.5)

    assert (result.outcome, code_of(result)) == (Outcome.TIMEOUT, "execution-time-exceeded")
    assert 0.5 <= time.monotonic() - started < 2


BOMBS = {
    "heap": "const a = []; for (;;) a.push({ x: [1, 2, 3] });",
    "array": "let a = [1]; for (;;) a = a.concat(a);",
    "text": 'const a = []; for (let i = 0;; i++) a.push(("x" + i).repeat(1e6).split(""));',
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_run_is_ended_when_it_fills_the_heap(body: str) -> None:
    result = run(f"function lambda() {{ {body} }}", timeout_s=20)

    assert code_of(result) in {"memory-exceeded", "runtime-exception"}
    assert result.outcome is Outcome.CODING_FAILURE


def test_run_cannot_fill_memory_with_buffers() -> None:
    result = run(
        "function lambda() { const a = []; for (;;) a.push(new Uint8Array(16e6).fill(1)); }",
        timeout_s=20,
    )

    assert result.outcome is Outcome.CODING_FAILURE
    assert code_of(result) in {"memory-exceeded", "runtime-exception"}
    assert result.duration_ms < 10_000


def test_neighbours_go_on_after_a_bomb() -> None:
    with ThreadPoolExecutor(2) as threads:
        bomb = threads.submit(run, f"function lambda() {{ {BOMBS['heap']} }}", timeout_s=20)
        values = [run(calls_back("input"), n, key="neighbour").value for n in range(50)]

    assert values == list(range(50))
    assert bomb.result().value is None


# --- Out of reach ---------------------------------------------------------------------------------

FORBIDDEN = {
    "file": ('require("fs").readFileSync("/etc/passwd", "utf8")', "NotCapable"),
    "own environment": ('require("fs").readFileSync("/proc/self/environ", "utf8")', "NotCapable"),
    "host script": ('require("fs").readFileSync("/host.js", "utf8")', "NotCapable"),
    "write": ('require("fs").writeFileSync("/tmp/houston-test", "x")', "NotCapable"),
    "import of a file": ('await import("file:///etc/passwd")', "TypeError"),
    "import of a page": ('await import("https://example.org/x.js")', "TypeError"),
    "import of npm": ('await import("npm:left-pad")', "TypeError"),
    "network by name": ('await fetch("https://example.org/")', "NotCapable"),
    "network by address": ('await fetch("http://127.0.0.1:8000/")', "NotCapable"),
    "metadata": ('await fetch("http://169.254.169.254/latest/")', "NotCapable"),
    "names": ('await require("dns").promises.resolve4("example.org")', "Error"),
    "process": ('require("child_process").execSync("id")', "Error"),
    "process by import": (
        '(await import("node:child_process")).execFileSync("/bin/true")',
        "NotCapable",
    ),
    "Deno": ("Deno.env.toObject()", "TypeError"),
    "Deno by the real global": ("globalThis.Deno.env.toObject()", "NotCapable"),
    "run by the real global": (
        'new globalThis.Deno.Command("/bin/true").outputSync()',
        "NotCapable",
    ),
    "worker": ('new Worker("data:text/javascript,")', "ReferenceError"),
    "kill": ('require("os").hostname() + globalThis.Deno.kill(1)', "NotCapable"),
}


@pytest.mark.parametrize(("expression", "name"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_function_cannot_reach(expression: str, name: str) -> None:
    result = run(f"async function lambda() {{ return {expression}; }}")

    assert result.failure is not None, result.value
    assert result.failure.name == name


def test_hosts_on_the_list_cannot_lead_to_private_addresses() -> None:
    source = """async function lambda(input) {
  try {
    await fetch(input);
  } catch (error) {
    return String(error) + String(error.cause);
  }
}"""

    local = run(source, "http://localhost/", hosts=("localhost",))
    other = run(source, "http://example.org/", hosts=("localhost",))

    assert "Requires net access" in local.value
    assert "Requires net access" in other.value


@pytest.mark.parametrize("host", ["a.example,127.0.0.1", "a b", "", "*", "x\0y", "a:80", "-h"])
def test_host_that_is_no_name_is_refused(host: str) -> None:
    result = run(calls_back("1"), hosts=(host,))

    assert (result.outcome, code_of(result)) == (Outcome.PLATFORM_FAILURE, "unavailable")


def test_very_many_hosts_do_not_end_the_supervisor() -> None:
    before = runtime.report().supervisor_pid

    run(calls_back("1"), hosts=tuple(f"h{n}.example.org" for n in range(20_000)))

    assert runtime.report().supervisor_pid == before


def test_every_layer_takes_on_this_machine() -> None:
    layers = runtime.report().layers

    assert layers["permissions"]
    assert layers["rlimits"]
    assert layers["no_new_privs"]
    assert set(layers) == {"permissions", "rlimits", "no_new_privs", "landlock", "seccomp"}


def test_filters_of_both_machines_end_in_a_decision() -> None:
    for machine in ("x86_64", "aarch64"):
        program = confine._filter(machine)

        for place, instruction in enumerate(program):
            if instruction[0] & 7 == 5:  # a jump
                assert place + 1 + max(instruction[2], instruction[3]) < len(program)
        assert program[-1][0] == confine._RETURN


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
        timeout_s=5,
    )

    assert code_of(result) == "protocol"
    assert result.outcome is Outcome.CODING_FAILURE


def test_function_that_closes_its_channel_has_crashed() -> None:
    source = "const d = globalThis.Deno; function lambda() { d.exit(0); }"

    result = run(source, key="leaves")

    assert code_of(result) == "crashed"


def test_host_survives_broken_builtins() -> None:
    result = run(
        """function lambda(input, callback) {
  Array.prototype.map = Array.prototype.join = String.prototype.slice = () => { throw 1; };
  JSON.stringify = JSON.parse = () => { throw 1; };
  globalThis.performance = Promise.prototype.then = null;
  callback(null, 5);
}""",
        timeout_s=2,
    )

    # The function's own trouble, whatever it is, in time.
    assert result.outcome in {Outcome.SUCCEEDED, Outcome.CODING_FAILURE, Outcome.TIMEOUT}


# --- Warm sandboxes -------------------------------------------------------------------------------

COUNTER = "let n = 0; function lambda(input, callback) { callback(null, ++n); }"


def test_warm_sandbox_is_used_again() -> None:
    results = [run(COUNTER, key="counter") for _ in range(3)]

    assert [(result.value, result.cold) for result in results] == [
        (1, True),
        (2, False),
        (3, False),
    ]


def test_draft_gets_a_sandbox_of_its_own_each_time() -> None:
    assert [run(COUNTER).value for _ in range(2)] == [1, 1]


def test_another_key_is_another_program() -> None:
    old = run(calls_back('"old"'), key="deployment 1")
    new = run(calls_back('"new"'), key="deployment 2")
    again = run(calls_back('"old"'), key="deployment 1")

    assert (old.value, new.value, again.value, again.cold) == ("old", "new", "old", False)


def test_two_runs_of_one_key_never_share_a_sandbox() -> None:
    source = """let busy = false;
async function lambda(input) {
  if (busy) return "shared";
  busy = true;
  await new Promise((done) => setTimeout(done, 200));
  busy = false;
  return "alone";
}"""

    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda _: run(source, key="parallel"), range(6)))

    assert [result.value for result in results] == ["alone"] * 6


def test_what_a_run_leaves_behind_stands_still() -> None:
    source = """let ticks = 0;
function lambda(input, callback) {
  if (input === "start") setInterval(() => ticks++, 1);
  callback(null, ticks);
}"""
    run(source, "start", key="ticks")
    time.sleep(0.3)

    result = run(source, "look", key="ticks")

    assert result.value <= 2


def test_eight_threads_get_their_own_answers() -> None:
    source = calls_back("input.map((n) => n * n)")

    def work(thread: int) -> list[bool]:
        return [
            run(source, [thread, n], key=f"threads {n % 2}").value == [thread * thread, n * n]
            for n in range(60)
        ]

    with ThreadPoolExecutor(8) as threads:
        answers = [right for rights in threads.map(work, range(8)) for right in rights]

    assert len(answers) == 480
    assert all(answers)


def test_full_account_waits_then_is_busy(small_pool: Pool) -> None:
    slow = Program(
        "async function lambda() { await new Promise((done) => setTimeout(done, 1500)); }",
        account_id="a",
    )
    thread = threading.Thread(target=small_pool.run, args=(slow, b"1", 10))
    thread.start()
    time.sleep(0.3)

    refused = small_pool.run(Program(calls_back("1"), account_id="a"), b"1", 10)
    other = small_pool.run(Program(calls_back("1"), account_id="b"), b"1", 10)

    thread.join()
    assert (refused.outcome, code_of(refused)) == (Outcome.PLATFORM_FAILURE, "busy")
    assert other.value == 1


def test_waiting_for_a_place_is_not_running_time() -> None:
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        pool = Pool(Config(directory=Path(directory), max_instances=1, wait_s=5))
        slow = Program("async function lambda() { await new Promise((d) => setTimeout(d, 800)); }")
        thread = threading.Thread(target=pool.run, args=(slow, b"1", 10))
        thread.start()
        time.sleep(0.2)

        result = pool.run(Program(calls_back("1")), b"1", 0.5)

        thread.join()
        pool.close()
    assert result.value == 1
    assert result.duration_ms < 500


def test_idle_sandbox_makes_room_for_a_program_that_waits(small_pool: Pool) -> None:
    for key in ("first", "second", "third"):
        result = small_pool.run(Program(calls_back("1"), key=key, account_id=key), b"1", 10)
        assert result.value == 1

    assert small_pool.report().instances == 2


def test_idle_sandboxes_of_another_process_make_room() -> None:
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        config = Config(directory=Path(directory), max_instances=1, wait_s=3)
        worker, web = Pool(config), Pool(config)
        worker.run(Program(calls_back("1"), key="warm"), b"1", 10)

        result = web.run(Program(calls_back("2"), key="other"), b"1", 10)

        again = worker.run(Program(calls_back("1"), key="warm"), b"1", 10)
        worker.close()
        web.close()
    assert (result.value, again.value) == (2, 1)


# --- When something dies --------------------------------------------------------------------------


NEVER_ENDING = "async function lambda() { await new Promise((d) => setTimeout(d, 9e3)); }"


def sandboxes_of(supervisor_pid: int) -> list[int]:
    children = Path(f"/proc/{supervisor_pid}/task/{supervisor_pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_next_run_works_when_an_idle_sandbox_has_died() -> None:
    run(calls_back("input"), 1, key="dies idle")
    for pid in sandboxes_of(runtime.report().supervisor_pid):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)

    result = run(calls_back("input"), 2, key="dies idle")

    assert (result.value, result.cold) == (2, True)


def test_run_in_flight_is_our_failure_when_its_sandbox_is_killed() -> None:
    supervisor = runtime.report().supervisor_pid
    before = set(sandboxes_of(supervisor))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run, NEVER_ENDING)
        time.sleep(0.5)
        for pid in set(sandboxes_of(supervisor)) - before:
            os.kill(pid, signal.SIGKILL)

    assert (running.result().outcome, code_of(running.result())) == (
        Outcome.PLATFORM_FAILURE,
        "crashed",
    )


def test_everything_recovers_when_the_supervisor_is_killed() -> None:
    source = calls_back("input")
    run(source, 1, key="recovers")
    supervisor = runtime.report().supervisor_pid
    sandboxes = sandboxes_of(supervisor)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run, NEVER_ENDING)
        time.sleep(0.5)
        os.kill(supervisor, signal.SIGKILL)
        in_flight = running.result()

    after = run(source, 2, key="recovers")

    assert (in_flight.outcome, code_of(in_flight)) == (Outcome.PLATFORM_FAILURE, "crashed")
    assert (after.outcome, after.value) == (Outcome.SUCCEEDED, 2)
    assert runtime.report().supervisor_pid != supervisor
    assert not any(alive(pid) for pid in sandboxes)


def test_two_pools_share_one_supervisor_and_it_ends_after_them() -> None:
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        pools = [Pool(Config(directory=Path(directory))) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            pids = list(threads.map(lambda pool: pool.report().supervisor_pid, pools))
        for pool in pools:
            pool.close()

        ends_at = time.monotonic() + 10
        while alive(pids[0]) and time.monotonic() < ends_at:
            time.sleep(0.1)

    assert len(set(pids)) == 1
    assert not alive(pids[0])


def test_other_settings_get_another_supervisor() -> None:
    with tempfile.TemporaryDirectory(prefix="houston-sandbox-") as directory:
        pools = [Pool(Config(directory=Path(directory), memory_mb=mb)) for mb in (64, 128)]

        pids = {pool.report().supervisor_pid for pool in pools}

        for pool in pools:
            pool.close()
    assert len(pids) == 2


# --- check ----------------------------------------------------------------------------------------

FINE = {
    "plain": calls_back("1"),
    "async": "async function lambda(input) { return 1; }",
    "exports": "exports.lambda = (input) => 1;",
    "module": 'const url = require("node:url"); function lambda(input, callback) { callback(); }',
    "callback passed on": "function lambda(input, done) { help(done); }\nfunction help(c) { c(); }",
    "new syntax": "function lambda(input, callback) { input?.a ?? 1; callback(null, 1_000n); }",
}


@pytest.mark.parametrize("source", FINE.values(), ids=FINE)
def test_check_finds_nothing_in_good_code(source: str) -> None:
    assert runtime.check(source) == []


PROBLEMS = {
    "syntax": ("function lambda(input {\n}", ("invalid-syntax", 1, 23, "error")),
    "syntax later": ("function lambda() {\n  let a = ;\n}", ("invalid-syntax", 2, 11, "error")),
    "escape": ("}); while (true) {} (function () {", ("invalid-syntax", 1, 1, "error")),
    "empty": ("", ("no-lambda", None, None, "error")),
    "other name": ("function other() {}", ("no-lambda", None, None, "error")),
    "inner": ("function other() { function lambda() {} }", ("no-lambda", None, None, "error")),
    "not a function": ("const lambda = 5;", ("no-lambda", None, None, "error")),
    "eval": (
        'function lambda(input, callback) {\n  callback(null, eval("1"));\n}',
        ("forbidden-code", 2, 18, "error"),
    ),
    "Function": (
        'function lambda(input, callback) {\n  callback(null, new Function("1"));\n}',
        ("forbidden-code", 2, 18, "error"),
    ),
    "module": (
        'const x = require("left-pad");\nfunction lambda(input, callback) { callback(); }',
        ("unknown-dependency", 1, 11, "error"),
    ),
    "callback": ("function lambda(input, callback) {}", ("callback-unused", 1, 24, "warning")),
    "length": ("//" + "x" * 100_000, ("too-long", None, None, "error")),
}


@pytest.mark.parametrize(("source", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_check_finds(source: str, expected: tuple[str, int | None, int | None, str]) -> None:
    problems = runtime.check(source)

    assert [(p.code, p.line, p.column, p.severity) for p in problems] == [expected]


def test_check_does_not_run_the_code() -> None:
    assert runtime.check("for (;;) {}\n" + calls_back("1")) == []
