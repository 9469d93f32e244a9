"""`manage.py scenario`: what it says, what it writes, and how it ends."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.core.management.color import color_style
from junitparser import JUnitXml

from functions import scenarios
from functions.scenarios import junit
from houston.management.commands import scenario as command
from houston.manual import facts
from tests import factories

ROOT = Path(__file__).parents[3]
NEW = "controllerbot_messaging_new_conversation"
GREETS = """
function lambda(input, callback) {
  console.info("Greets", { in: "words" });
  callback(null, { type: "systemMessage", text: "Hello" });
}
"""
EXPECTS = """\
scenario: 1
name: Greeting
steps:
  - at: 0s
    act: start
    expect:
      - event: CONSUMER_OPEN_NEW_CONVERSATION
        function: greet
        commands:
          - type: systemMessage
            text: Hello
  - at: 5s
    act: back_to_queue
  - at: 6s
    act: urgent
"""
PASSES = EXPECTS.partition("  - at: 5s")[0]

runtime = pytest.mark.runtime


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A brand's checkout: `functions/` in lpf's form and `scenarios/`."""
    greet = tmp_path / "functions" / "greet"
    greet.mkdir(parents=True)
    (greet / "index.js").write_text(GREETS)
    (greet / "config.json").write_text(json.dumps({"name": "greet", "event": NEW}))
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "greeting.yaml").write_text(PASSES)
    return tmp_path


def run(*arguments: Any, act: str = "run") -> tuple[int, str]:
    """The exit code, and all that was said."""
    out = io.StringIO()
    try:
        call_command("scenario", act, *map(str, arguments), stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    return 0, out.getvalue()


# Running ------------------------------------------------------------------------------------------


@runtime
@pytest.mark.django_db
def test_functions_of_a_folder_are_run_without_an_account(folder):
    code, said = run(folder / "scenarios", "--functions", folder / "functions")

    assert code == 0
    assert said.splitlines()[0].startswith(f"ok    {folder}/scenarios/greeting.yaml  Greeting (1 s")
    assert said.splitlines()[-1] == "1 scenario: 1 passed, 0 failed"


@runtime
@pytest.mark.django_db
def test_difference_is_shown_and_ends_with_1(folder):
    (folder / "scenarios" / "greeting.yaml").write_text(PASSES.replace("text: Hello", "text: Hi"))

    code, said = run(folder / "scenarios", "--functions", folder)

    assert code == 1
    assert said.splitlines()[1:-2] == [
        "  1. 0s start",
        "       - event: CONSUMER_OPEN_NEW_CONVERSATION",
        "         function: greet",
        "         commands:",
        "           - type: systemMessage",
        "     -       text: Hi",
        "     +       text: Hello",
        '     info: Greets {"in":"words"}',
    ]
    assert said.splitlines()[-1] == "1 scenario: 0 passed, 1 failed"


@runtime
@pytest.mark.django_db
def test_what_functions_and_files_say_commands_no_terminal(folder):
    talks = """
function lambda(input, callback) {
  console.info("\\u001b[2J one\\n::set-output name=a::b");
  callback(null, { type: "systemMessage", text: "\\u001b]0;title\\u0007" });
}
"""
    (folder / "functions" / "greet" / "index.js").write_text(talks)
    (folder / "scenarios" / "b.yaml").write_text(PASSES.replace("act: start", 'act: "\\e[2J"'))

    code, said = run(folder / "scenarios", "--functions", folder / "functions")

    assert code == 2
    assert not {character for character in said if ord(character) < 32} - {"\n"}
    assert r"     info: \x1b[2J one\n::set-output name=a::b" in said.splitlines()
    assert r'"\x1b[2J" is not an act' in said


@runtime
@pytest.mark.django_db
def test_step_that_cannot_be_done_is_told(folder):
    (folder / "scenarios" / "greeting.yaml").write_text(EXPECTS)

    code, said = run(folder / "scenarios", "--functions", folder)

    assert code == 1
    assert said.splitlines()[1:4] == [
        "  2. 5s back_to_queue",
        "     Cannot do this: no agent is assigned, assign one first",
        "  2 steps could not be played",
    ]


@runtime
@pytest.mark.django_db
def test_file_that_cannot_be_read_ends_with_2_and_the_others_are_run(folder):
    (folder / "scenarios" / "broken.yml").write_text(PASSES.replace("act: start", "act: strat"))
    (folder / "scenarios" / "latin.json").write_bytes(b"\xff\xfe")
    missing = folder / "missing.yaml"

    code, said = run(folder / "scenarios", missing, "--functions", folder)

    assert code == 2
    assert f"ok    {folder}/scenarios/greeting.yaml" in said
    assert "broken.yml, line 5: " in said
    assert "latin.json: it is no UTF-8" in said
    assert "missing.yaml: No such file or directory" in said
    assert said.splitlines()[-1] == "4 scenarios: 1 passed, 0 failed, 3 could not be read"


@runtime
@pytest.mark.django_db
def test_functions_of_the_only_account_run_and_drafts_where_they_are_named(folder, account):
    function = factories.deployed(name="greet", event_type=NEW, code=GREETS)
    function.code = GREETS.replace("Hello", "Good day")
    function.save()

    assert run(folder / "scenarios")[0] == 0
    assert run(folder / "scenarios", "--account", account.pk)[0] == 0
    code, said = run(folder / "scenarios", "--draft", "greet")
    assert code == 1
    assert "+       text: Good day" in said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "whose functions are meant, name one of acme1, other1 with --account"),
        (["--account", "acme2"], 'no account "acme2", known are acme1, other1'),
        (["--account", "acme1", "--draft", "greet"], 'the account has no function "greet"'),
        (["--functions", "/nowhere"], 'no folder "/nowhere"'),
        (["--functions", "/nowhere", "--draft", "greet"], "exclude each other"),
    ],
)
def test_what_cannot_be_played_is_refused_with_2(folder, account, arguments, said):
    factories.AccountFactory(id="other1")
    factories.FunctionFactory(account_id="other1", name="greet")
    if "--draft" in arguments and "--functions" in arguments:
        factories.FunctionFactory(account_id="", name="greet")

    code, told = run(folder / "scenarios", *arguments)

    assert code == 2
    assert said in told


@pytest.mark.django_db
def test_without_an_account_somebody_must_say_which_functions(folder):
    code, said = run(folder / "scenarios")

    assert (code, "none exists, or give a folder of them with --functions" in said) == (2, True)


@runtime
@pytest.mark.django_db
def test_file_that_brings_its_functions_needs_no_account():
    code, said = run(*(each.path for each in scenarios.shipped()))

    assert code == 0
    assert said.splitlines()[-1] == "8 scenarios: 8 passed, 0 failed"


@pytest.mark.django_db
def test_folder_without_scenarios_is_refused(folder):
    code, said = run(folder)

    assert (code, "there is no *.yaml, *.yml, *.json in" in said) == (2, True)


def test_colours_are_for_terminals_alone(folder):
    made = command.Command(stdout=io.StringIO(), force_color=True)
    made.style = color_style(force_color=True)

    made._tell(Path("a.yaml"), _outcome(PASSES, passes=False))

    assert "\x1b[" in made.stdout.getvalue()
    plain = command.Command(stdout=io.StringIO())
    plain._tell(Path("a.yaml"), _outcome(PASSES, passes=False))
    assert "\x1b[" not in plain.stdout.getvalue()


def _outcome(text: str, *, passes: bool) -> scenarios.Outcome:
    document = scenarios.read(text)
    line = () if passes else (scenarios.Line("-", "- event: X"),)
    step = scenarios.StepOutcome(number=1, step=document.steps[0], difference=line)
    return scenarios.Outcome(document=document, steps=(step,), duration_ms=1)


# JUnit --------------------------------------------------------------------------------------------


@runtime
@pytest.mark.django_db
def test_junit_has_a_suite_for_each_file_and_a_case_for_each_step(folder):
    (folder / "scenarios" / "greeting.yaml").write_text(EXPECTS.replace(": Hello", ': "a\\x07"'))
    (folder / "scenarios" / "other.yaml").write_text(PASSES)
    (folder / "scenarios" / "third.yaml").write_text("scenario: 2")
    out = folder / "out.xml"

    code, _ = run(folder / "scenarios", "--functions", folder, "--junit", out)

    assert code == 2
    assert out.read_bytes().startswith(b'<?xml version="1.0" encoding="utf-8"?>')
    suites = [
        (Path(suite.name).name, suite.tests, suite.failures, suite.errors, suite.skipped)
        for suite in JUnitXml.fromfile(str(out))
    ]
    assert suites == [
        ("greeting.yaml", 3, 2, 0, 1), ("other.yaml", 1, 0, 0, 0), ("third.yaml", 1, 0, 1, 0),
    ]  # fmt: skip
    cases = list(ET.parse(out).getroot().iter("testcase"))  # noqa: S314
    assert [case.attrib["name"] for case in cases] == [
        "1 0s start", "2 5s back_to_queue", "3 6s urgent", "1 0s start", "can be read",
    ]  # fmt: skip
    assert all(case.attrib["classname"].endswith(".yaml") for case in cases)
    failure = cases[0].find("failure")
    assert failure.attrib["type"] == "difference"
    assert "+       text: Hello" in failure.text
    assert cases[0].find("system-out").text == 'info: Greets {"in":"words"}'
    assert cases[2].find("skipped") is not None
    assert cases[4].find("error").attrib["type"] == "scenario-bad-value"


def test_junit_of_a_run_that_was_stopped_has_an_error():
    document = scenarios.read(PASSES)
    step = scenarios.StepOutcome(number=1, step=document.steps[0], played=False)
    stopped = scenarios.Stopped(code="scenario-too-slow", message="Cannot play on: \0")
    outcome = scenarios.Outcome(document=document, steps=(step,), duration_ms=1, stopped=stopped)

    root = ET.fromstring(junit.write([junit.Result("a.yaml", outcome)]))  # noqa: S314

    assert {name: root.attrib[name] for name in ("tests", "errors", "skipped")} == {
        "tests": "2", "errors": "1", "skipped": "1",
    }  # fmt: skip


@pytest.mark.django_db
def test_junit_that_cannot_be_written_ends_with_2(folder, account, monkeypatch):
    monkeypatch.setattr(scenarios, "run", lambda *_, **__: _outcome(PASSES, passes=True))

    code, said = run(folder / "scenarios", "--junit", folder)

    assert (code, "Cannot write" in said) == (2, True)


# Recording, checking, listing ---------------------------------------------------------------------


@runtime
@pytest.mark.django_db
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_came_is_recorded_in_the_file(folder, form):
    path = folder / "scenarios" / f"greeting.{form}"
    text = PASSES.partition("    expect:")[0]
    document = scenarios.read(text)
    path.write_text(text if form == "yaml" else scenarios.write_json(document))
    options = ("--functions", folder / "functions")

    first = run(path, *options, act="record")
    again = run(path, *options, act="record")

    assert (first[0], again[0]) == (0, 0)
    assert first[1] == f"ok    {path}  Greeting, 1 step recorded anew\n"
    assert again[1] == f"ok    {path}  Greeting, as it was\n"
    recorded = path.read_text()
    assert recorded.startswith("scenario: 1\n" if form == "yaml" else '{\n  "scenario": 1,\n')
    assert scenarios.read(recorded).steps == scenarios.read(PASSES).steps


@runtime
@pytest.mark.django_db
def test_run_that_did_not_come_to_its_end_is_not_recorded(folder):
    path = folder / "scenarios" / "greeting.yaml"
    path.write_text(EXPECTS)

    code, said = run(path, "--functions", folder / "functions", act="record")

    assert code == 1
    assert "was not played to its end. Cannot do this: no agent is assigned" in said
    assert path.read_text() == EXPECTS


def test_files_are_checked_without_being_played(folder):
    path = folder / "scenarios" / "greeting.yaml"

    assert run(path, act="check") == (0, f"ok    {path}  Greeting, 1 step\n")
    path.write_text(PASSES.replace("0s", "1s"))
    code, said = run(path, act="check")
    assert (code, f"{path}, line 4: " in said) == (2, True)


def test_shipped_scenarios_are_listed_with_their_files():
    code, said = run(act="list")

    assert code == 0
    assert [Path(line.partition("  ")[0]).is_file() for line in said.splitlines()] == [True] * 8


# A bare checkout ----------------------------------------------------------------------------------


def commands_of(example: str) -> list[str]:
    read = json.dumps(yaml.safe_load(facts.of(None)[example]))
    return re.findall(r"\.houston/manage\.py ([^\"]*)", read)


@runtime
def test_brand_tests_its_functions_in_a_bare_checkout(folder):
    """As the manual's examples do it: nothing but a data folder that is new."""
    environment = os.environ | {"HOUSTON_DATA_DIR": str(folder / "data")}
    environment.pop("DATABASE_URL", None)

    def manage(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *line.split()],
            env=environment, cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip

    github, gitlab = (commands_of(name) for name in ("scenario_github", "scenario_gitlab"))
    migrate, play = github
    assert github == gitlab

    early = manage(play)
    migrated = manage(migrate)
    passed = manage(play)
    (folder / "functions" / "greet" / "index.js").write_text(GREETS.replace("Hello", "Bye"))
    differs = manage(play)

    assert early.returncode == 2
    assert "run manage.py migrate first" in early.stderr
    assert migrated.returncode == 0, migrated.stderr
    assert (passed.returncode, passed.stderr) == (0, "")
    assert passed.stdout.splitlines()[-1] == "1 scenario: 1 passed, 0 failed"
    assert differs.returncode == 1
    assert "+       text: Bye" in differs.stdout
    assert "\x1b[" not in differs.stdout
    assert (folder / "scenarios.xml").exists()
