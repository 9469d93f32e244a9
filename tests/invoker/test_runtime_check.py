"""What `check` says about a source, in the engine that would run it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from invoker import runtime
from tests.invoker.sandboxes import calls_back, own_supervisor, run

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


FINE = {
    "plain": calls_back("1"),
    "async": "async function lambda(input) { return 1; }",
    "exports": "exports.lambda = (input) => 1;",
    "module": 'const url = require("node:url"); function lambda(input, callback) { callback(); }',
    "callback passed on": "function lambda(input, done) { help(done); }\nfunction help(c) { c(); }",
    "new syntax": "function lambda(input, callback) { input?.a ?? 1; callback(null, 1_000n); }",
    "names of Node": 'const process = require("process"), console = require("console");\n'
    + calls_back("process.pid"),
    "long sum": "const a = 1" + "+1" * 40_000 + ";" + calls_back("a"),
    "half a character": calls_back("'\ud800'"),
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
        ("unknown-dependency", 1, 20, "error"),
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


def test_check_lists_a_bounded_number_of_problems() -> None:
    problems = runtime.check(calls_back("1") + 'eval("");' * 9000)

    assert len(problems) == 100


PATHOLOGICAL = {
    "brackets": "const a = " + "(" * 49_000 + "1" + ")" * 49_000 + ";" + calls_back("a"),
    "brackets without end": "(" * 99_000,
    "regular expression": calls_back("1") + "/" + "(a|b)*" * 16_000 + "/;",
    "regular expression of brackets": calls_back("1") + "/" + "(" * 40_000 + ")" * 40_000 + "/;",
    "arrays": calls_back("1") + "[" * 49_000 + "]" * 49_000,
    "templates": calls_back("1") + "`${" * 24_000,
    "arrows": calls_back("1") + "a=>" * 30_000 + "1",
    "blocks": "{" * 49_000 + "}" * 49_000 + calls_back("1"),
    "commas": calls_back("1") + "[" + "," * 99_000 + "]",
    "unary": calls_back("1") + ";" + "!" * 99_000 + "1",
    "destructuring": calls_back("1") + "({a:" * 16_000 + "1" + "})" * 16_000,
    "ambiguous arrows": calls_back("1") + ";" + "(a=" * 24_000 + ")" * 24_000 + "=>1",
}


@pytest.mark.parametrize("source", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_check_ends_with_any_source(source: str) -> None:
    assert len(source) <= runtime.MAX_SOURCE
    problems = runtime.check(source)

    # Whatever it says is said about the source, before the time for it is over.
    assert {one.code for one in problems} <= {"invalid-syntax", "not-checked"}


SNIPPETS = [
    "",
    "return;",
    "await 1;",
    "let await = 1, yield_ = 2;",
    "new.target;",
    "this.x = 1;",
    "import('node:fs');",
    "import.meta.url;",
    "export const x = 1;",
    "let a; let a;",
    "let process;",
    "const console = 1;",
    "let module;",
    "const require = 1;",
    "'use strict'; with (a) {}",
    "'use strict'; 010;",
    "<!-- a comment of old",
    "#!/usr/bin/node",
    "/(?<a>x)(?<a>y)/;",
    "/(?<a>x)|(?<a>y)/;",
    "/[/;",
    "/[[a-z]--[aeiou]]/v;",
    "`${",
    '"line\nbreak"',
    "class A { #a; static { this.x = 1; } has(o) { return #a in o; } }",
    "class A { has(o) { return o.#missing; } }",
    "break;",
    "1 = 2;",
    "var x; x ?? 1 || 2;",
    "for await (const x of []) {}",
    "try {}",
    "a => {} ()",
    "function f(a, a) { 'use strict'; }",
    "'use strict'; delete x;",
    "\\u0061bc = 1;",
    "using x = null;",
    "@decorator class A {}",
    "({ a = 1 });",
    "({ __proto__: null, __proto__: null });",
    "// \u2028 }",
    "/*",
    "*/",
    "})",
    "}); (function () {",
    "\0",
    "\ufeff",
    "if (0) function f() {}",
]


def test_check_refuses_just_what_does_not_load() -> None:
    """A source is `invalid-syntax` if, and only if, loading it is a syntax error."""

    def refusals(snippet: str) -> tuple[list[Any], list[Any]]:
        source = f"{snippet}\nfunction lambda() {{}}"
        failure = run(source).failure
        return [
            (one.message, one.line, one.column)
            for one in runtime.check(source)
            if one.code == "invalid-syntax"
        ], [
            (one.message, one.line, one.column)
            for one in [failure]
            if one and (one.code, one.name) == ("load-failed", "SyntaxError")
        ]

    with ThreadPoolExecutor(4) as threads:
        found = dict(zip(SNIPPETS, threads.map(refusals, SNIPPETS), strict=True))

    assert {key: pair for key, pair in found.items() if pair[0] != pair[1]} == {}
    assert 20 < sum(1 for checked, _ in found.values() if checked) < len(SNIPPETS) - 10
