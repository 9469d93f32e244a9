"""What the editor's TypeScript says of functions whose authors have written no types."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from deno import find_deno_bin

from functions import declarations, gallery
from functions.views.declaring import TYPED
from invoker import events

pytestmark = pytest.mark.runtime
CHECKER = Path(__file__).parent / "checking.mjs"
EDITOR = Path(__file__).parents[2] / "static" / "editor"
TTR = events.TTR.id
ENVIRONMENT = "interface Environment { readonly TOKEN: string; }"
MISSPELT = "Property 'convID' does not exist on type 'PayloadGeneral'. Did you mean 'convId'?"
# Every way to write a lambda; ¦ is where the cursor stands.
FORMS = {
    "callback": "function lambda(input, callback) "
    "{ callback(null, input.payload.general.¦convID); }",
    "async": "async function lambda(input) { return input.payload.general.¦convID; }",
    "arrow": "const lambda = async (input) => input.payload.general.¦convID;",
    "documented": "/** Answers. */\nfunction lambda(input, callback) "
    "{ callback(null, input.payload.general.¦convID); }",
    "destructured": "function lambda({ payload: { general } }, callback) "
    "{ callback(null, general.¦convID); }",
    "exports": "exports.lambda = (input) => input.payload.general.¦convID;",
    "module.exports": "module.exports = async (input) => input.payload.general.¦convID;",
    "export": "export async function lambda(input) { return input.payload.general.¦convID; }",
    "export default": "export default async function (input) "
    "{ return input.payload.general.¦convID; }",
}
COMPLETED = {
    "command with a callback": (
        'function lambda(input, callback) { callback(null, { type: "¦" }); }',
        ["systemMessage", "transfer", "closeConversation"],
    ),
    "command in a returned list": (
        'async function lambda(input) { return [{ type: "¦" }]; }',
        ["systemMessage", "transfer", "closeConversation"],
    ),
    "field of a command": (
        'function lambda(input, callback) { callback(null, { type: "transfer", ¦ }); }',
        ["agentId", "skillId"],
    ),
    "variable": ("process.env.¦TOKEN", ["BRAND_ID", "TOKEN"]),
    "sub-type": (
        'function lambda(input, callback) { if (input.payload.general.cbotEventType === "¦"); }',
        list(events.TTR.subtypes),
    ),
    "module": ('require("¦")', ["lp-faas-toolbelt", "luxon"]),
    **{
        f"package {name}": (f'const all = require("{name}");\nall.¦{member};', [member])
        for name, member in {
            "es-toolkit": "chunk",
            "jsonwebtoken": "verify",
            "lodash": "groupBy",
            "luxon": "DateTime",
            "undici": "fetch",
            "uuid": "v4",
        }.items()
    },
}
QUIET = {
    "own types": "/** @param {{ a: string }} input */\nasync function lambda(input) "
    "{ return input.a; }",
    "date": "function lambda(input, callback) { callback(null, new Date() - new Date(0)); }",
    "text as error": 'function lambda(input, callback) { callback("no"); }',
    "constant to fill in": 'const SKILL = "";\nfunction lambda(input, callback) '
    '{ if (SKILL === "1") callback(); }',
    "commands in steps": "async function lambda(input) { "
    'const commands = [{ type: "systemMessage", text: "a" }]; '
    'commands.push({ type: "transfer", skillId: "1" }); return commands; }',
    "inner functions": "async function lambda(input) "
    "{ return [1].map((one) => { return { one }; }); }",
    "unknown module": 'require("left-pad")',
    "named import": 'import { DateTime } from "luxon";\nDateTime.now().toISO();',
    "default import": 'import _ from "lodash";\n_.chunk([1, 2], 1);',
    "package without types": 'const request = require("request");\nrequest.get("https://a.b");',
    "class of a package": 'const OAuth = require("oauth-1.0a");\nnew OAuth({ consumer: { key: "a", '
    'secret: "b" } }).authorize({ url: "https://a.b", method: "GET" });',
}
LOUD = {
    "unknown variable": ("process.env.TOKN", 2551),
    "other sub-type": (
        "function lambda(input, callback) "
        '{ if (input.payload.general.cbotEventType === "URGENT") callback(); }',
        2367,
    ),
    "misspelt function of a package": ('require("lodash").chunks([1], 1);', 2551),
    "survey's field": ("async function lambda(input) { return input.payload.surveyId; }", 2339),
    "syntax": ("const = 1;", 1134),
}


def ask(source: str, event_type_id: str = TTR) -> dict[str, Any]:
    at = source.find("¦")
    return {
        "source": source.replace("¦", ""),
        "declarations": declarations.declarations(event_type_id).text,
        "environment": ENVIRONMENT,
        **({"at": at} if at >= 0 else {}),
    }


def run(checks: list[dict[str, Any]]) -> dict[str, Any]:
    answer = subprocess.run(
        [find_deno_bin(), "run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", CHECKER],
        input=json.dumps({"checks": checks}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@cache
def checked() -> dict[str, Any]:
    """Everything in one go, because TypeScript takes a second to start."""
    asked = {
        **{("form", name): ask(source) for name, source in FORMS.items()},
        **{("completed", name): ask(source) for name, (source, _) in COMPLETED.items()},
        **{("quiet", name): ask(source) for name, source in QUIET.items()},
        **{("loud", name): ask(source) for name, (source, _) in LOUD.items()},
        **{("template", each.slug): ask(each.source, each.event_type) for each in gallery.load()},
        **{
            ("declared", each): ask("async function lambda(input) { return input.¦payload; }", each)
            for each in events.EVENT_TYPES
        },
    }
    answer = run(list(asked.values()))
    return dict(zip(asked, answer["found"], strict=True)) | {"snippets": answer["snippets"]}


@pytest.mark.parametrize("name", FORMS)
def test_misspelt_field_has_a_problem_and_its_fix_however_lambda_is_written(name: str) -> None:
    found = checked()["form", name]

    [problem] = found["problems"]
    line = FORMS[name].replace("¦", "").splitlines()[problem["line"] - 1]
    assert problem["message"] == MISSPELT
    assert problem["fixes"] == ["Change spelling to 'convId'"]
    assert line[problem["column"] - 1 :].startswith("convID")
    assert {"convId", "cbotEventType", "clientIpAdress"} <= set(found["completions"])


@pytest.mark.parametrize("name", COMPLETED)
def test_words_are_offered_where_they_can_be_meant(name: str) -> None:
    found = checked()["completed", name]

    assert set(COMPLETED[name][1]) <= set(found["completions"])


@pytest.mark.parametrize("name", QUIET)
def test_working_code_has_no_problems(name: str) -> None:
    assert checked()["quiet", name]["problems"] == []


@pytest.mark.parametrize("name", LOUD)
def test_mistake_has_a_problem(name: str) -> None:
    [problem] = checked()["loud", name]["problems"][:1]

    assert problem["code"] == LOUD[name][1]


@pytest.mark.parametrize("slug", [each.slug for each in gallery.load()])
def test_templates_have_no_problems(slug: str) -> None:
    assert checked()["template", slug]["problems"] == []


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_declarations_of_every_event_hold_together(event_type_id: str) -> None:
    found = checked()["declared", event_type_id]

    assert found["problems"] == []
    kind = "any" if event_type_id == events.NO_EVENT else "Payload"
    assert found["hover"].startswith(f"(property) LambdaInput.payload: {kind}\n")


def test_hover_tells_what_a_field_means_with_an_example() -> None:
    [found] = run([ask(FORMS["async"].replace("convID", "convId"))])["found"]

    assert found["hover"] == (
        "(property) PayloadGeneral.convId: string\n"
        "Id of the conversation.\n\n"
        'For example `"c840e51e-5f65-4ad4-8d34-5c82b99a2200"`'
    )


def test_packages_have_the_types_that_the_page_offers() -> None:
    listed = (EDITOR / "packages.mjs").read_text().partition("TYPED = {")[2].partition("};")[0]
    declared = re.findall(r'require\("typed/(.+)"\)', (EDITOR / "toolbelt.d.ts").read_text())

    assert re.findall(r'^  "?([\w.-]+)"?: ', listed, re.MULTILINE) == list(TYPED)
    assert declared == list(TYPED)


def test_every_snippet_is_code_without_problems() -> None:
    snippets = checked()["snippets"]
    sources = [snippet_in_place(one["prefix"], one["text"]) for one in snippets]

    found = run([ask(source) for source in sources])["found"]

    assert len(snippets) >= 12
    problems = dict(zip((one["prefix"] for one in snippets), found, strict=True))
    # Its place to type is empty: no sub-type is chosen yet.
    assert problems.pop("per-subtype")["problems"][0]["code"] == 2678
    assert {name: each["problems"] for name, each in problems.items() if each["problems"]} == {}


def snippet_in_place(prefix: str, text: str) -> str:
    if prefix.startswith("lambda"):
        return text
    inner = f"return [{text}];" if text.startswith("{ type:") else text
    return f"async function lambda(input) {{\n{inner}\n}}"
