"""Functions written as ES modules, as the vendor's second generation has them."""

from collections.abc import Iterator

import pytest

from invoker import runtime
from invoker.runtime import Outcome
from tests.invoker.sandboxes import code_of, own_supervisor, run


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


IMPORTS = {
    "default": 'import path from "node:path";\nexport const lambda = () => path.join("a", "b");',
    "named": 'import { join } from "path";\nexport const lambda = () => join("a", "b");',
    "renamed": 'import { join as put } from "path";\nexport const lambda = () => put("a", "b");',
    "namespace": 'import * as path from "path";\nexport const lambda = () => path.join("a", "b");',
    "default and named": (
        'import path, { join } from "path";\n'
        'export const lambda = () => (path.join === join ? "a/b" : "");'
    ),
    "default and namespace": (
        'import path, * as all from "path";\n'
        'export const lambda = () => (all.join === path.join ? "a/b" : "");'
    ),
    "text as a name": (
        'import { "join" as put } from "path";\nexport const lambda = () => put("a", "b");'
    ),
    "after its use": 'export const lambda = () => join("a", "b");\nimport { join } from "path";',
    "over lines": (
        'import {\n  join,\n  sep, // not used\n} from "path";\n'
        'export const lambda = () => join("a", "b");'
    ),
    "no binding": 'import "path";\nexport const lambda = () => "a/b";',
    "later": (
        "export async function lambda() {\n"
        '  const { default: path } = await import("path");\n'
        '  return path.join("a", "b");\n}'
    ),
    "on one line": 'import { join } from "path"; export const lambda = () => join("a", "b");',
}

EXPORTS = {
    "function": "export function lambda(input) { return input + 1; }",
    "async function": "export async function lambda(input) { return input + 1; }",
    "const": "export const lambda = async (input) => input + 1;",
    "list": "const lambda = (input) => input + 1;\nexport { lambda };",
    "renamed": "const handle = (input) => input + 1;\nexport { handle as lambda };",
    "renamed to default": "const handle = (input) => input + 1;\nexport { handle as default };",
    "default function": "export default function (input) { return input + 1; }",
    "default async function": "export default async function (input) { return input + 1; }",
    "default with a name": (
        "export default function handle(input) { return input + handle.more; }\nhandle.more = 1;"
    ),
    "default arrow": "export default (input) => input + 1",
    "default before a bracket": (
        "export default function (input) { return input + 1 }\n[1].map(String)"
    ),
    "default of a name": "const handle = (input) => input + 1;\nexport default handle;",
    "none": 'import "path";\nasync function lambda(input) { return input + 1; }',
    "callback": "export function lambda(input, callback) { callback(null, input + 1); }",
    "waits at the top": (
        "const more = await Promise.resolve(1);\nexport const lambda = (input) => input + more;"
    ),
    "for await": (
        "let more = 0;\nfor await (const one of [1]) more += one;\n"
        "export const lambda = (input) => input + more;"
    ),
}


@pytest.mark.parametrize("source", IMPORTS.values(), ids=IMPORTS.keys())
def test_import_gives_what_node_gives(source: str) -> None:
    result = run(source)

    assert (result.value, result.failure) == ("a/b", None)
    assert runtime.check(source) == []


@pytest.mark.parametrize("source", EXPORTS.values(), ids=EXPORTS.keys())
def test_exported_function_runs(source: str) -> None:
    results = [run(source, n, key=source).value for n in (1, 2)]

    assert results == [2, 3]
    assert runtime.check(source) == []


def test_module_is_strict() -> None:
    result = run("export const lambda = () => { undeclared = 1; };")

    assert result.failure
    assert result.failure.name == "ReferenceError"


def test_import_meta_holds_nothing() -> None:
    assert run("export const lambda = () => typeof import.meta.url;").value == "undefined"


PLACES = [
    # The place of the mistake, marked with @ in the source.
    'import { join } from "path";\nexport const lambda = () => { @throw0(); };',
    "export const lambda = () => { @throw0(); };",
    'import { join } from "path"; export const lambda = () => { @throw0(); };',
    "export default async (input) => {\n  await null;\n  @throw0();\n};",
    'import {\n  join,\n} from "path";\n\nexport async function lambda() {\n  @throw0();\n}',
    "const x = `${1}\n`; export const lambda = () => { /* 😀 */ @throw0(); };",
    "await null;\nexport const lambda = () => @throw0();",
]


@pytest.mark.parametrize("marked", PLACES)
def test_error_has_its_place_in_the_authors_own_source(marked: str) -> None:
    before = marked[: marked.index("@")]
    line = before.count("\n") + 1
    column = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2 + 1

    result = run(marked.replace("@", ""))

    assert result.failure
    assert (result.failure.line, result.failure.column) == (line, column)


def test_name_that_is_not_exported_is_a_load_error_with_its_place() -> None:
    source = 'import { sep,\n  nothing } from "path";\nexport const lambda = () => 1;'

    result = run(source)

    assert result.failure
    assert code_of(result) == "load-failed"
    assert result.failure.message == 'The module "path" has no export named "nothing"'
    assert (result.failure.line, result.failure.column) == (2, 3)


def test_unknown_module_is_a_load_error_with_its_place() -> None:
    source = 'export const lambda = () => 1;\n import x from "nowhere";'

    result = run(source)
    problems = runtime.check(source)

    assert result.failure
    assert (code_of(result), result.failure.line, result.failure.column) == ("load-failed", 2, 2)
    assert [(one.code, one.line, one.column) for one in problems] == [("unknown-dependency", 2, 17)]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ('import { join } from "path";\nexport const lambda = () => {\n  const = 1;\n};', (3, 9)),
        ("export const lambda = () => 1;\nexport const lambda = () => 2;", (2, 14)),
        ('import data from "x" with { type: "json" };\nexport const lambda = () => 1;', (1, 1)),
        ('import {} from "path"\nexport {nothing};', (2, 9)),
    ],
)
def test_broken_module_says_where(source: str, place: tuple[int, int]) -> None:
    result = run(source)
    problems = runtime.check(source)

    assert result.failure
    assert code_of(result) == "load-failed"
    assert (result.failure.line, result.failure.column) == place
    assert [(one.code, one.line, one.column) for one in problems] == [("invalid-syntax", *place)]
    assert problems[0].message == result.failure.message


def test_module_that_waits_for_ever_is_refused_at_once() -> None:
    result = run("await new Promise(() => {});\nexport const lambda = () => 1;")

    assert code_of(result) == "load-failed"
    assert result.failure
    assert result.failure.message == "The code waits for ever at its top level"


def test_module_that_fails_at_its_top_level_says_why() -> None:
    result = run("await null;\nthrow new Error('no');\nexport const lambda = () => 1;")

    assert result.failure
    assert (result.outcome, result.failure.message) == (Outcome.CODING_FAILURE, "no")
    assert (result.failure.line, result.failure.column) == (2, 7)


def test_module_cannot_leave_its_wrapper() -> None:
    source = "export const lambda = () => 1;}});globalThis.escaped=1;(()=>{(()=>{"

    assert code_of(run(source)) == "load-failed"


def test_module_without_a_function_is_refused() -> None:
    source = 'import "path";\nexport const other = 1;'

    assert code_of(run(source)) == "load-failed"
    assert [one.code for one in runtime.check(source)] == ["no-lambda"]


FORBIDDEN = {
    "(0, eval)('1')": "eval",
    "globalThis.eval('1')": "eval",
    "new globalThis.Function('1')": "new Function",
    "Function('return 1')": "Function",
    "setTimeout('1', 1)": "setTimeout with a text",
}


@pytest.mark.parametrize(("code", "what"), FORBIDDEN.items())
def test_forbidden_code_is_found_in_the_forms_people_write(code: str, what: str) -> None:
    for source in (
        f"async function lambda() {{\n  {code};\n}}",
        f"export async function lambda() {{\n  {code};\n}}",
    ):
        problems = runtime.check(source)

        assert [(one.code, one.line, one.column) for one in problems] == [("forbidden-code", 2, 3)]
        assert problems[0].message == f"{what} is not available to functions"
