"""The sandbox, with real Deno processes: what functions may count on, and its limits."""

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from invoker import runtime
from invoker.runtime.client import Pool
from invoker.runtime.results import Config, Outcome, Program
from tests.invoker.sandboxes import (
    calls_back,
    code_of,
    own_pool,
    own_supervisor,
    run,
)

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


@pytest.fixture(scope="module")
def little_memory() -> Iterator[Pool]:
    """Sandboxes that are full soon."""
    with own_pool(memory_mb=64) as pool:
        yield pool


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
    "returned beside the callback": """function lambda(input, callback) {
        setTimeout(() => callback(null, input.n * 2), 5);
        return 5;
    }""",
    "rejected after the callback": """async function lambda(input, callback) {
        callback(null, input.n * 2);
        throw new Error("late");
    }""",
    "thrown after the callback": """function lambda(input, callback) {
        callback(null, input.n * 2);
        throw new Error("late");
    }""",
    "thenable": "function lambda(input) { return { then(done) { done(input.n * 2); } }; }",
    "default parameter": "function lambda(input, callback = null) { return input.n * 2; }",
    "reassigned": "let lambda = () => 1; lambda = (input) => input.n * 2;",
    "strict": "'use strict';\nfunction lambda(input) { return this ? 1 : input.n * 2; }",
    "this of a module": "this.lambda = (input) => input.n * 2;",
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
    "nothing but an object": (
        "function lambda(input, callback) { callback({ code: 5 }); }",
        ("custom-failure", "Error", '{"code":5}', None),
    ),
    "thenable that throws": (
        'function lambda() {\n  return { get then() { throw new Error("no"); } };\n}',
        ("custom-failure", "Error", "no", 2),
    ),
    "overflow": (
        "const lambda = (input) => lambda(input) + 1;",
        ("runtime-exception", "RangeError", "Maximum call stack size exceeded", 1),
    ),
    "class": (
        "class lambda {}",
        (
            "runtime-exception",
            "TypeError",
            "Class constructor lambda cannot be invoked without 'new'",
            None,
        ),
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
    ("source", "place"),
    [
        ("function lambda(i) { return i.a.b; }", (1, 31)),
        ("/* one */ const f = () => null.x; function lambda() { f(); }", (1, 32)),
        ("\n\nasync function lambda() {\n\tawait null;\n\tmissing();\n}", (5, 2)),
        ("function lambda(i, cb) {\n  setTimeout(() => cb.a.b());\n}", (2, 25)),
        ('function lambda() { JSON.parse("{"); }', (1, 26)),
        ("const lambda = () => { throw new Error('index.js:7:7'); };", (1, 30)),
    ],
)
def test_place_of_a_failure_is_exact(source: str, place: tuple[int, int]) -> None:
    failure = run(source).failure

    assert failure is not None
    assert (failure.line, failure.column) == place


THROWN = {
    "null": "null",
    "undefined": "undefined",
    "10n": "10",
    "Symbol('s')": "Symbol(s)",
    "() => 1": "() => 1",
    "{ a: [1] }": '{"a":[1]}',
    "Object.create(null)": "{}",
    "{ get message() { throw 1; } }": "The function threw a value that cannot be read",
    "new Proxy({}, { get() { throw 1; } })": "The function threw a value that cannot be read",
    "Object.assign(new Error('m'), { stack: 5 })": "m",
    "Object.assign(new Error('m'), { message: { a: 1 } })": "[object Object]",
}


@pytest.mark.parametrize(("thrown", "message"), THROWN.items(), ids=THROWN)
def test_anything_may_be_thrown(thrown: str, message: str) -> None:
    result = run(f"function lambda() {{ throw {thrown}; }}")

    assert (code_of(result), result.failure and result.failure.message) == (
        "custom-failure",
        message,
    )


def test_failure_of_any_size_is_cut() -> None:
    failure = run("""Error.stackTraceLimit = Infinity;
function deep(n) {
  if (n === 0) throw Object.assign(new Error("\\0".repeat(1e6)), { name: "N".repeat(1e6) });
  deep(n - 1);
}
function lambda() { deep(5000); }""").failure

    assert failure is not None
    assert (failure.name, failure.message) == ("N" * 200, "\0" * 4000)
    assert (failure.line, failure.column) == (3, 36)
    assert len(failure.stack) < 7000


@pytest.mark.parametrize(
    "source",
    [
        "function lambda(input, callback) {}",
        "async function lambda(input, callback) { return 1; }",
        "function lambda(input) { return new Promise(() => {}); }",
    ],
)
def test_no_result_is_said_before_the_time_is_over(source: str) -> None:
    result = run(source, timeout_s=30)

    assert code_of(result) == "no-result"
    assert result.outcome is Outcome.CODING_FAILURE


NOT_JSON = {
    "circular": "const a = {}; a.a = a; return a;",
    "bigint": "return 1n;",
    "toJSON throws": 'return { toJSON() { throw new Error("no"); } };',
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_result_that_is_not_json(body: str) -> None:
    result = run(f"function lambda() {{ {body} }}")

    assert code_of(result) == "result-not-json"


@pytest.mark.parametrize(
    "value",
    [
        '"x".repeat(50_000_000)',
        '"x".repeat(262_143)',
        '"\\0".repeat(43_691)',
        "deep(201)",
        "deep(5000)",
        "{ a: deep(200) }",
        "[deep(1), '[\\\\\\\\', '\\\\\"]', deep(200)]",
    ],
)
def test_result_too_large(value: str) -> None:
    source = "const deep = (n) => { let a = []; while (--n) a = [a]; return a; };"

    result = run(f"{source}\nfunction lambda() {{ return {value}; }}")

    assert code_of(result) == "result-too-large"


@pytest.mark.parametrize(
    "value",
    ['"x".repeat(262_142)', '"\\u20ac".repeat(262_142)', "deep(200)", '["[".repeat(9000)]'],
)
def test_result_just_small_enough(value: str) -> None:
    source = "const deep = (n) => { let a = []; while (--n) a = [a]; return a; };"

    result = run(f"{source}\nfunction lambda() {{ return {value}; }}")

    assert result.outcome is Outcome.SUCCEEDED
    assert json.dumps(result.value, ensure_ascii=False)


def test_result_nested_too_deeply_keeps_the_sandbox() -> None:
    source = """function lambda(input) {
  let value = [];
  for (let n = 0; n < input; n++) value = [value];
  console.info(value, value);
  return value;
}"""

    results = [run(source, depth, key="deep") for depth in (3000, 1)]

    assert code_of(results[0]) == "result-too-large"
    assert results[0].logs[0].extras == ["[a value that cannot be shown]"]
    assert (results[1].value, results[1].cold) == ([[]], False)


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


@pytest.mark.parametrize("event", [b"", b"{", b'1,"load":{}', b'1}\0\0\0\0{"event":1'])
def test_event_of_bytes_that_are_no_json_is_an_error(event: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        run(calls_back("input"), event)


def test_event_of_a_megabyte() -> None:
    event = {"text": "\u20ac\0" * 500_000}

    assert run(calls_back("input.text.length"), event).value == 1_000_000


def test_half_a_character_in_the_event_reaches_the_function() -> None:
    result = run(calls_back("[input.a.charCodeAt(0), input.a]"), {"a": "\ud800"})

    assert result.value == [0xD800, "\ufffd"]


def test_half_a_character_in_the_program_is_no_error() -> None:
    source = calls_back("['\ud800'.charCodeAt(0), process.env.A.charCodeAt(0)]")

    assert run(source, environment={"A": "\udfff"}).value == [0xD800, 0xDFFF]


def test_nul_goes_through() -> None:
    result = run("function lambda(i, callback) { console.info(i, i); callback(null, i); }", "a\0b")

    assert (result.value, result.logs[0].message, result.logs[0].extras) == (
        "a\0b",
        "a\0b",
        ["a\0b"],
    )


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


def test_process_has_what_functions_use() -> None:
    source = """function lambda(input, callback) {
  const began = process.hrtime();
  const order = [];
  process.nextTick((text) => order.push(text), "tick");
  process.on("exit", () => {});
  setTimeout(() => {
    const [seconds, nanoseconds] = process.hrtime(began);
    order.push(seconds === 0 && nanoseconds > 1e6, typeof process.hrtime.bigint());
    order.push(process.cwd(), process.platform, process.argv.length, process.uptime() > 0);
    order.push(process.memoryUsage().heapUsed > 0, require("process") === process);
    callback(null, order);
  }, 5);
}"""

    assert run(source).value == [
        "tick",
        True,
        "bigint",
        "/",
        "linux",
        2,
        True,
        True,
        True,
    ]


def test_names_of_node_may_be_declared() -> None:
    source = """const process = require("process");
const console = require("node:console");
const global = globalThis;
let Deno = 1;
function lambda(input, callback) {
  console.info("said");
  callback(null, [typeof process.env, typeof global.fetch, Deno]);
}"""

    result = run(source)

    assert result.value == ["object", "function", 1]
    assert [entry.message for entry in result.logs] == ["said"]


@pytest.mark.parametrize(
    "call", ["process.exit(2)", "setTimeout(() => process.exit(2))", "process.abort()"]
)
def test_process_exit_from_anywhere(call: str) -> None:
    result = run(f"function lambda(input, callback) {{ {call}; }}")

    assert code_of(result) == "process-exit"


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


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("function lambda() {\n  let a = ;\n}", (2, 11)),
        ("function lambda(", (1, 17)),
        ("\n  null.x;\nfunction lambda() {}", (2, 8)),
        ("null.x; function lambda() {}", (1, 6)),
        ("process.exit(1); function lambda() {}", (1, 9)),
    ],
)
def test_load_says_where_it_fails(source: str, place: tuple[int, int]) -> None:
    result = run(source)

    assert code_of(result) == "load-failed"
    assert result.failure is not None
    assert (result.failure.line, result.failure.column) == place


def test_load_failure_keeps_what_was_said() -> None:
    result = run('console.info("loading"); throw new Error("no");')

    assert code_of(result) == "load-failed"
    assert [entry.message for entry in result.logs] == ["loading"]


def test_load_that_ends_the_process_has_crashed() -> None:
    assert code_of(run("globalThis.Deno.exit(0);")) == "crashed"


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


def test_function_knows_its_trace_id() -> None:
    program = Program("async function lambda() { return console.getTraceId(); }", key="trace")

    ids = ['one "1"', "two", ""]
    values = [runtime.run(program, 1, trace_id=trace_id).value for trace_id in ids]

    assert values == ids


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


def test_logs_after_the_callback_belong_to_the_run() -> None:
    source = """console.info("loaded");
function lambda(input, callback) {
  callback(null, input);
  console.info("done", input);
  if (input === 1) setTimeout(() => console.info("late"), 1);
  if (input === 2) return new Promise((done) => setTimeout(done, 50));
}"""

    results = [run(source, n, key="logs after") for n in (1, 2, 3)]

    assert [[entry.message for entry in result.logs] for result in results] == [
        ["loaded", "done"],
        ["done"],
        ["done"],
    ]


def test_logs_say_when_a_run_goes_over_both_limits() -> None:
    result = run("""function lambda() {
  console.info("a", ..."x".repeat(20_000));
  console.info("x".repeat(1e8));
  console.info({ a: "x".repeat(1e8) });
  for (let n = 0; n < 3; n++) console.info("x".repeat(5_000));
  console.info("end");
}""")

    assert [len(entry.message) for entry in result.logs[:-1]] == [5_000, 5_000, 5_000, 3]
    assert result.dropped_logs == 3
    assert "16384 characters" in result.logs[-1].message


def test_logs_are_capped_by_characters() -> None:
    result = run('function lambda() { console.info("x".repeat(5e7)); console.info("y"); }')

    assert result.dropped_logs == 1
    assert result.logs[0].message == "y"


def test_callback_with_something_else_than_an_error_is_warned_of() -> None:
    result = run("function lambda(input, callback) { callback('no agent'); }")

    assert result.failure
    assert (result.failure.code, result.failure.message) == ("custom-failure", "no agent")
    [warning] = result.logs
    assert warning.level == "Warn"
    assert "use callback(new Error(…))" in warning.message


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
    "after the callback": "function lambda(input, callback) { callback(null, 1); for (;;) {} }",
    "thrown": "function lambda() { throw { get stack() { for (;;) {} } }; }",
    "listener": """addEventListener("beforeunload", () => { for (;;) {} });
        function lambda(input, callback) { setTimeout(() => {}, 1); }""",
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
    assert time.monotonic() - started >= 0.5


BOMBS = {
    "heap": "const a = []; for (;;) a.push({ x: [1, 2, 3] });",
    "array": "let a = [1]; for (;;) a = a.concat(a);",
    "text": 'const a = []; for (let i = 0;; i++) a.push(("x" + i).repeat(1e6).split(""));',
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_run_is_ended_when_it_fills_the_heap(body: str, little_memory: Pool) -> None:
    result = little_memory.run(Program(f"function lambda() {{ {body} }}"), b"1", 20)

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


def test_neighbours_go_on_beside_a_bomb(little_memory: Pool) -> None:
    bomber = Program(f"function lambda() {{ {BOMBS['heap']} }}")
    neighbour = Program(calls_back("input"), key="neighbour")
    with ThreadPoolExecutor(2) as threads:
        bomb = threads.submit(little_memory.run, bomber, b"1", 20)
        values = [little_memory.run(neighbour, b"%d" % n, 10).value for n in range(50)]

    assert values == list(range(50))
    assert bomb.result().value is None
