"""What `check` says of commands and hosts, when it is told what the function is about."""

from collections.abc import Iterator

import pytest

from functions import gallery
from invoker import events, runtime
from tests.invoker.sandboxes import own_supervisor

pytestmark = pytest.mark.runtime
COMMANDS = runtime.About(commands=True)
HOSTS = runtime.About(hosts=("api.example.com", "*.shop.example"))


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


def gives(result: str) -> str:
    return f"function lambda(input, callback) {{ callback(null, {result}); }}"


def found(source: str, about: runtime.About) -> list[tuple[str, str, str]]:
    problems = runtime.check(source, about)
    assert {one.severity for one in problems} <= {"warning"}
    return [(one.code, one.subject, one.instead) for one in problems]


FINE = {
    "message": gives('{ type: "systemMessage", text: "Hi" }'),
    "no message": gives('{ type: "systemMessage", text: [] }'),
    "all three": gives(
        '[{ type: "systemMessage", text }, { type: "transfer", agentId: "1" }, '
        '{ type: "closeConversation" }]'
    ),
    "computed": gives('[{ type: kind, text }, { type: "transfer", ...target }]'),
    "two branches": gives(
        'late ? { type: "systemMessage", text: "a" } : { type: "systemMessage", text: "b" }'
    ),
    "other objects": "function lambda(input, callback) { "
    'help({ type: "party" }); callback(null, []); }',
    "an inner function's": "async function lambda(input) { "
    '[1].map(() => { return { type: "party" }; }); return []; }',
    "nothing": gives(""),
    "either pushed": "async function lambda(input) { const commands = []; "
    'if (input.a) commands.push({ type: "transfer", skillId: "1" }); '
    'else commands.push({ type: "transfer", skillId: "2" }); return commands; }',
    "spread": gives('[...base, { type: "systemMessage", text: "a" }]'),
}


@pytest.mark.parametrize("source", FINE.values(), ids=FINE)
def test_commands_that_are_carried_out_are_no_problem(source: str) -> None:
    assert found(source, COMMANDS) == []


WRONG = {
    "misspelt": (
        gives('{ type: "systemMesage", text: "Hi" }'),
        ("unknown-command", "systemMesage", "systemMessage"),
    ),
    "unheard of": (gives('[{ type: "party" }]'), ("unknown-command", "party", "")),
    "second": (
        gives('[{ type: "systemMessage", text: "a" }, { type: "systemMessage", text: "b" }]'),
        ("second-command", "systemMessage", ""),
    ),
    "misspelt field": (
        gives('{ type: "transfer", skillID: "1" }'),
        ("unknown-field", "skillID", "skillId"),
    ),
    "field of another": (
        gives('{ type: "closeConversation", text: "Bye" }'),
        ("unknown-field", "text", ""),
    ),
    "without text": (gives('{ type: "systemMessage" }'), ("missing-field", "", "")),
    "returned": (
        'async function lambda(input) { return [{ type: "close" }]; }',
        ("unknown-command", "close", ""),
    ),
    "returned by an arrow": (
        'const lambda = async (input) => ({ type: "tranfer", skillId: "1" });',
        ("unknown-command", "tranfer", "transfer"),
    ),
    "pushed": (
        "function lambda(input, callback) { const commands = []; "
        'commands.push({ type: "Transfer", skillId: "1" }); callback(null, commands); }',
        ("unknown-command", "Transfer", "transfer"),
    ),
    "second pushed": (
        'async function lambda(input) { const commands = [{ type: "closeConversation" }]; '
        'commands.push({ type: "closeConversation" }); return commands; }',
        ("second-command", "closeConversation", ""),
    ),
    "endless": (
        "function lambda(input, callback) { let a = b; let b = a; a = b; "
        'b.push({ type: "x" }); callback(null, a); }',
        ("unknown-command", "x", ""),
    ),
}


@pytest.mark.parametrize(("source", "problem"), WRONG.values(), ids=WRONG)
def test_command_that_would_be_dropped_is_found(source: str, problem: tuple[str, ...]) -> None:
    assert found(source, COMMANDS) == [problem]
    assert found(source, runtime.About()) == []


def test_misspelt_type_is_marked_within_its_quotes() -> None:
    source = (
        'function lambda(input, callback) {\n  callback(null, { type: "transfr", skillId: 1 });\n}'
    )
    [problem] = runtime.check(source, COMMANDS)

    line = source.splitlines()[problem.line - 1]
    assert line[problem.column - 1 : problem.endColumn - 1] == "transfr"


STRANGE = {
    "fetch": 'fetch("https://evil.example/x")',
    "template": "fetch(`https://evil.example/${input.payload.id}`)",
    "port": 'new URL("http://evil.example:8080")',
    "capitals": 'fetch("https://EVIL.example")',
    "constant": 'const BASE_URL = "https://evil.example"',
    "option": 'client({ uri: "https://evil.example/" })',
    "the domain of a wildcard": 'fetch("https://shop.example.evil.example")',
}
USUAL = {
    "allowed": 'fetch("https://api.example.com/orders")',
    "below a wildcard": 'fetch("https://eu.shop.example/orders")',
    "link in a message": 'callback(null, { type: "systemMessage", text: "https://help.example" })',
    "logged": 'console.log("https://help.example")',
    "half a host": "fetch(`https://evil.example${suffix}`)",
    "no host": 'fetch("https://${input}")',
}


@pytest.mark.parametrize("use", STRANGE.values(), ids=STRANGE)
def test_host_that_is_not_allowed_is_found(use: str) -> None:
    source = f"function lambda(input, callback) {{ {use}; callback(); }}"

    [problem] = runtime.check(source, HOSTS)

    assert (problem.code, problem.severity) == ("host-not-allowed", "warning")
    assert problem.subject.endswith("evil.example")
    assert source[problem.column - 1 : problem.endColumn - 1].lower() == problem.subject
    assert runtime.check(source) == []


@pytest.mark.parametrize("use", USUAL.values(), ids=USUAL)
def test_host_that_is_allowed_or_not_called_is_no_problem(use: str) -> None:
    source = f"function lambda(input, callback) {{ {use}; callback(); }}"

    assert runtime.check(source, HOSTS) == []


def test_wildcard_does_not_allow_its_own_domain() -> None:
    source = 'function lambda(input, callback) { fetch("https://shop.example"); callback(); }'

    [problem] = runtime.check(source, HOSTS)

    assert problem.subject == "shop.example"


@pytest.mark.parametrize("template", gallery.load(), ids=lambda template: template.slug)
def test_templates_return_only_commands_that_are_carried_out(template: gallery.Template) -> None:
    kind = events.EVENT_TYPES[template.event_type]

    assert runtime.check(template.source, runtime.About(commands=kind.runs_commands)) == []
