"""What scenarios gave as JUnit XML, which continuous integration shows: a suite for each file."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from functions.scenarios import durations
from functions.scenarios.errors import ScenarioError
from functions.scenarios.outcomes import Outcome, StepOutcome

# XML knows no way to write these.
_UNWRITABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one file; its fault where it could not be read."""

    path: str
    outcome: Outcome | ScenarioError


def write(results: Sequence[Result]) -> bytes:
    """The document, with a case for each step."""
    xml = JUnitXml("scenarios")
    for result in results:
        xml.add_testsuite(_suite(result))
    xml.update_statistics()  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    xml.write(buffer, pretty=True)
    return buffer.getvalue()


def _suite(result: Result) -> TestSuite:
    path, outcome = _text(result.path), result.outcome
    suite = TestSuite(path)
    if isinstance(outcome, ScenarioError):
        case = TestCase("can be read", path)
        case.result = [Error(_text(outcome.message), outcome.code)]
        suite.add_testcase(case)
        return suite
    suite.add_property("name", _text(outcome.document.name))
    for step in outcome.steps:
        suite.add_testcase(_case(path, outcome, step))
    if outcome.stopped:
        case = TestCase("is played to its end", path)
        case.result = [Error(_text(outcome.stopped.message), outcome.stopped.code)]
        suite.add_testcase(case)
    return suite


def _case(path: str, outcome: Outcome, step: StepOutcome) -> TestCase:
    ran_ms = sum(each.duration_ms or 0.0 for each in step.came)
    name = f"{step.number} {title(step)}"
    case = TestCase(_text(name), path, round(ran_ms / 1000, 3))
    if step.stopped:
        case.result = [Failure(_text(step.stopped.message), step.stopped.code)]
    elif not step.played:
        why = outcome.stopped or next((one.stopped for one in outcome.steps if one.stopped), None)
        case.result = [Skipped(_text(why.message if why else ""))]
    elif step.difference:
        failure = Failure("What came differs from what was expected", "difference")
        failure.text = _text("\n".join(map(str, step.difference)))
        case.result = [failure]
    logs = [str(log) for log in step.logs]
    if logs:
        case.system_out = _text("\n".join(logs))
    return case


def title(step: StepOutcome) -> str:
    """What people call a step: its time and its act."""
    act = step.step.act
    return f"{durations.spell(step.step.at_ms)} {act.__struct_config__.tag}"


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
