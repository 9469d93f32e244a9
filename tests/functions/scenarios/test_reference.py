"""The manual's page on scenarios says what files may hold, and its examples are right."""

import html
import json

import msgspec
import pytest
import yaml

from functions import scenarios
from functions.scenarios import documents, reference
from houston import manual
from houston.manual import facts
from invoker.simulator import acts

PAGE = manual.BY_SLUG["scenarios"]
EXAMPLES = ("scenario_github", "scenario_gitlab")


def structs():
    """Those that a file is read by."""
    mine = [each for each in vars(documents).values() if isinstance(each, type)]
    mine = [each for each in mine if each.__module__ == documents.__name__]
    # These two are not in a file as they are.
    others = (documents.Document, documents.Step)
    return [each for each in mine if issubclass(each, msgspec.Struct) and each not in others]


def test_page_tells_every_field_and_every_act():
    text = manual.content(PAGE)
    fields = {name for kind in structs() for name in kind.__struct_encode_fields__}
    of_acts = {name for kind in acts.ACTS.values() for name in kind.__struct_encode_fields__}

    assert len(fields) > 15
    wanted = fields | of_acts | set(acts.ACTS) | {"at", "act", "expect"}
    assert [name for name in sorted(wanted) if f"<code>{name}</code>" not in text] == []


def test_every_struct_of_a_file_is_a_part_of_the_reference():
    told = {field.name for part in reference.parts() for field in part.fields}

    assert {name for kind in structs() for name in kind.__struct_encode_fields__} <= told
    assert [part.title for part in reference.all_acts()] == list(acts.ACTS)
    assert all(part.about for part in (*reference.parts(), *reference.all_acts()))


def test_fields_say_what_they_hold_and_what_is_usual():
    start = {each.name: each for each in reference.all_acts()[0].fields}
    parts = {
        part.title: {each.name: each.line for each in part.fields} for part in reference.parts()
    }

    assert start["consumer"].line == "`consumer`: text, 40 characters at most; usually `Sam`"
    assert parts["The file"]["name"] == "`name`: text, 100 characters at most; must be there"
    assert parts["Settings"]["office_hours"] == "`office_hours`: `closed` or `open`"
    assert parts["Idle times"]["queue"] == "`queue`: a duration, 0s is never"


def test_example_of_the_page_is_one_that_comes_with_houston():
    text = html.unescape(manual.content(PAGE))

    assert scenarios.shipped()[0].text in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_for_continuous_integration_is_yaml_and_runs_scenarios(name):
    text = facts.of(None)[name]

    read = json.dumps(yaml.safe_load(text))
    assert "scenario run scenarios --functions functions --junit scenarios.xml" in read
    assert max(map(len, text.splitlines())) < 90


def test_bounds_of_the_page_are_those_of_the_code():
    text = manual.content(PAGE)

    assert f"{scenarios.MOST_STEPS} steps" in text
    assert f"it has {scenarios.LONGEST_S:g} s; a function has {scenarios.RUN_S:g} s" in text
