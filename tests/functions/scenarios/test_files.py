"""Scenario files: what is written is read back, and every fault is named where it stands."""

import datetime as dt
import json
import string

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions import gallery, scenarios
from functions.scenarios import Document, Expected, ScenarioError, Settings, Step
from functions.scenarios.documents import (
    MOST_STEPS,
    Close,
    Failed,
    IdleTimes,
    Late,
    Message,
    Transfer,
)
from invoker import automatic_messages, events
from invoker.simulator import acts

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FILE = """\
scenario: 1
name: Urgent, then calm
description: |
  Two
  lines
starts_at: 2026-06-01T12:00:00+00:00
functions:
  controllerbot_messaging_new_conversation: new-conversation
settings:
  office_hours: open
  idle_times: {agent: 10m, consumer: 30m}
  automatic_messages: {}
steps:
  - at: 0s
    act: start
    consumer: Sam
    text: Hello
    expect:
      - event: CONSUMER_OPEN_NEW_CONVERSATION
        function: greet
        commands:
          - {type: systemMessage, text: "Hi"}
          - {type: transfer, skillId: "200"}
  - at: 12s
    act: wait
    seconds: 600
"""


def fault(text: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        scenarios.read(text, "a.yaml")
    return caught.value


# Back and forth -----------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
texts = words.filter(lambda text: text and not text.isspace())
ids = st.text(string.ascii_letters + string.digits + "-é", min_size=1, max_size=20)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40)
languages = st.sampled_from(["en-US", "de", "pt-BR"])
ACTS = st.one_of(
    st.builds(acts.ConsumerSays, text=texts),
    st.builds(acts.AgentSays, text=texts, agent=st.none() | names, private=st.booleans()),
    st.builds(acts.Assign, agent=names),
    st.builds(acts.Suggest, agent=names),
    st.builds(acts.Join, who=names, role=st.sampled_from(["agent", "manager", "consumer"])),
    st.builds(acts.Leave, who=names),
    st.just(acts.BackToQueue()),
    st.builds(acts.Urgent, on=st.booleans()),
    st.builds(acts.ResponseTime, minutes=st.integers(1, 1000)),
    st.builds(acts.Transfer, skill=ids),
    st.just(acts.SignIn()),
    st.builds(acts.Office, state=st.sampled_from(["open", "closed", "account"])),
    st.builds(acts.Close, by=st.sampled_from(["consumer", "system"]), survey=st.booleans()),
    st.just(acts.EndSurvey()),
    st.builds(acts.Wait, seconds=st.integers(1, 100_000)),
)
STARTS = st.builds(
    acts.Start,
    consumer=names,
    first_time=st.booleans(),
    authenticated=st.booleans(),
    language=languages,
    skill=ids,
    campaign=ids | st.just(""),
    text=texts,
)
SOME_WORDS = words.filter(bool)
EVENTS = st.sampled_from(
    [subtype for each in events.EVENT_TYPES.values() for subtype in each.subtypes]
)
COMMANDS = st.one_of(
    st.builds(Message, text=st.none() | words, automatic=st.booleans()),
    st.builds(Message, contains=SOME_WORDS),
    st.builds(Transfer, skill_id=ids, agent_id=st.none() | ids),
    st.just(Close()),
)
LATE = st.builds(Late, type=st.sampled_from(["systemMessage", "transfer"]), reason=ids)
EXPECTED = st.builds(
    Expected,
    event=EVENTS,
    function=st.none() | ids,
    commands=st.lists(COMMANDS, max_size=3).map(tuple),
    stale=st.lists(LATE, max_size=2).map(tuple),
    failed=st.none() | st.builds(Failed, code=ids, message=st.none() | words),
    stopped=st.none() | ids,
)
EXPECT = st.none() | st.lists(EXPECTED, max_size=2).map(tuple)
IDLE = st.none() | st.integers(15, 100_000).map(lambda seconds: seconds * 1000)
SETTINGS = st.builds(
    Settings,
    office_hours=st.sampled_from([None, "open", "closed"]),
    idle_times=st.none() | st.builds(IdleTimes, agent=IDLE, consumer=IDLE, queue=IDLE),
    automatic_messages=st.none()
    | st.dictionaries(st.sampled_from(automatic_messages.SUBTYPES), words, max_size=3),
)
TEMPLATES = {each.event_type: each.slug for each in gallery.load() if each.event_type}


@st.composite
def documents(draw: st.DrawFn) -> Document:
    steps = [Step(at_ms=0, act=draw(STARTS), expect=draw(EXPECT))]
    for act in draw(st.lists(ACTS, max_size=4)):
        at_ms = steps[-1].ends_ms + draw(st.integers(0, 10**7))
        steps.append(Step(at_ms=at_ms, act=act, expect=draw(EXPECT)))
    brought = draw(st.lists(st.sampled_from(sorted(TEMPLATES)), unique=True, max_size=2))
    starts_at = draw(st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2090, 1, 1)))  # noqa: DTZ001
    return Document(
        name=draw(names),
        description=draw(words),
        starts_at=starts_at.replace(tzinfo=dt.UTC),
        functions={event: TEMPLATES[event] for event in brought},
        settings=draw(st.none() | SETTINGS),
        steps=tuple(steps),
    )


@PATIENT
@given(documents())
def test_what_is_written_is_read_back(document):
    text = scenarios.write(document)

    assert scenarios.read(text) == document
    assert scenarios.write(scenarios.read(text)) == text


@PATIENT
@given(documents())
def test_what_is_written_is_yaml_and_json_is_read_as_well(document):
    plain = yaml.safe_load(scenarios.write(document))
    plain["starts_at"] = plain["starts_at"].isoformat()

    assert scenarios.read(json.dumps(plain)) == document


def test_file_is_written_in_blocks_and_in_one_order():
    assert (
        scenarios.write(scenarios.read(FILE))
        == """\
scenario: 1
name: Urgent, then calm
description: |
  Two
  lines
starts_at: 2026-06-01T12:00:00+00:00
functions:
  controllerbot_messaging_new_conversation: new-conversation
settings:
  office_hours: open
  idle_times:
    agent: 10m
    consumer: 30m
  automatic_messages: {}
steps:
  - at: 0s
    act: start
    consumer: Sam
    text: Hello
    expect:
      - event: CONSUMER_OPEN_NEW_CONVERSATION
        function: greet
        commands:
          - type: systemMessage
            text: Hi
          - type: transfer
            skillId: "200"
  - at: 12s
    act: wait
    seconds: 600
"""
    )


# Faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("text: Hello", "text: 5", "scenario-bad-value", 17,
         '"text" is 5: expected `str`, got `int`, put it in quotes'),
        ("text: Hello", "text: yes", "scenario-bad-value", 17, "put it in quotes"),
        ("text: Hello", "skill: a b", "scenario-bad-value", 17,
         '"skill" is "a b": must be an id without spaces'),
        ("text: Hello", "txt: Hello", "scenario-unknown-field", 17, 'no field "txt" here, known'),
        ("skillId", "skilId", "scenario-unknown-field", 23, "known are type, skillId, agentId"),
        ("agent: 10m", "agent: 5s", "scenario-bad-value", 11, '"agent" is 5s: an idle time is'),
        ("agent: 10m", "agent: 1000d", "scenario-bad-value", 11, "must be a time such as"),
        ("consumer: 30m", "consumr: 30m", "scenario-unknown-field", 11, "agent, consumer, queue"),
        ("seconds: 600", "", "scenario-missing-field", 24, '"seconds" is missing'),
        ("seconds: 600", "seconds: 0", "scenario-bad-value", 26, ">= 1"),
        ("act: start", "act: strat", "scenario-bad-value", 15, 'did you mean "start"'),
        ("at: 12s", "at: 12", "scenario-bad-value", 24, '"at" is 12: it must be a time such as'),
        ("at: 0s", "at: 1s", "scenario-bad-order", 14, 'must be "act: start" at "0s"'),
        ("scenario: 1", "scenario: 2", "scenario-bad-value", 1, '"scenario" is 2: it must be 1'),
        ("name: Urgent", "nam: Urgent", "scenario-unknown-field", 2, 'no field "nam"'),
        ("name: Urgent", "name: Calm\nname: Urgent", "scenario-key-twice", 3, '"name" is there'),
        ("name: Urgent", "name: &a Urgent", "scenario-alias", 2, "write it out"),
        ("name: Urgent", "<<: {a: b}\nname: Urgent", "scenario-not-readable", 2, "<<"),
        ("name: Urgent", "name: !!python/name:os.system Urgent", "scenario-alias", 2, "tags"),
        ("office_hours: open", "office_hours: opn", "scenario-bad-value", 10,
         'is "opn": it must be one of open, closed'),
        ("{}", "{FOO: bar}", "scenario-bad-value", 12, "is not an event with automatic messages"),
        ("systemMessage", "message", "scenario-bad-value", 22, "one of systemMessage, transfer"),
        ('"Hi"', '"Hi", contains: H', "scenario-bad-value", 22, '"text" or "contains", not both'),
        (', skillId: "200"', "", "scenario-missing-field", 23, '"skillId", "agentId", or both'),
        ("CONSUMER_OPEN_NEW", "CONSUMR_OPEN_NEW", "scenario-bad-value", 19,
         'did you mean "CONSUMER_OPEN_NEW_CONVERSATION"'),
        (": new-conversation", ": new-conv", "scenario-unknown-template", 8,
         'did you mean "new-conversation"'),
        ("controllerbot_messaging_new", "controllerbot_new", "scenario-bad-value", 8,
         "is not an event type"),
        ("2026-06-01T12:00:00+00:00", "2026-06-01", "scenario-bad-value", 6, "write it as"),
        ("2026-06-01T12:00:00+00:00", "2126-06-01T12:00:00Z", "scenario-bad-value", 6, "2099"),
        ("text: Hello", 'text: "a\\0b"', "scenario-not-text", 17, "U+0000"),
        ("function: greet", "function: [a", "scenario-not-readable", 21, "no YAML"),
        ("seconds: 600", "seconds: 600\n  - {at: 1m, act: assign}", "scenario-bad-order", 27,
         '"at" is 1m: the step before lasts until 10m 12s'),
        ("act: wait\n    seconds: 600", "act: start", "scenario-bad-order", 24, "first step alone"),
    ],
)  # fmt: skip
def test_fault_says_where_what_and_the_way_out(old, new, code, line, said):
    assert old in FILE

    error = fault(FILE.replace(old, new, 1))

    assert (error.code, error.line) == (code, line)
    assert str(error).startswith(f"Cannot read a.yaml, line {line}: ")
    assert said in str(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "scenario-not-readable"),
        ("null", "scenario-not-readable"),
        ("- 1", "scenario-not-readable"),
        ("{", "scenario-not-readable"),
        ('{"name": "a", "name": "b"}', "scenario-key-twice"),
        ('{"name": "\\ud800"}', "scenario-not-text"),
        ('{"scenario": 1, "name": "n", "steps": ["\\ud800"]}', "scenario-not-text"),
        ("name: \ud800", "scenario-not-readable"),
        ("\0", "scenario-not-readable"),
        ("x" * 600_000, "scenario-too-long"),
        ("[" * 100_000, "scenario-not-readable"),
        ('{"a":' * 60_000, "scenario-not-readable"),
        ("a: &a [*a]", "scenario-alias"),
        ("a:\n" + "- {b: c}\n" * 30_000, "scenario-too-long"),
        (f"scenario: {'9' * 5000}", "scenario-bad-value"),
        ("scenario: 1\n---\nscenario: 1", "scenario-not-readable"),
        (FILE + "  - {at: 1h, act: sign_in}\n" * MOST_STEPS, "scenario-bad-value"),
    ],
    ids=range(17),
)
def test_anything_else_is_refused(text, code):
    assert fault(text).code == code


@PATIENT
@given(st.text())
def test_any_text_is_read_or_refused(text):
    for file in (text, FILE.replace("Hello", text), FILE.replace("act: wait", text)):
        try:
            scenarios.read(file)
        except ScenarioError as error:
            code = error.code
        else:
            code = "scenario-read"
        assert code.startswith("scenario-")


def test_times_of_texts_stay_texts():
    document = scenarios.read(FILE.replace("text: Hello", "text: 2026-06-01"))

    assert document.steps[0].act.text == "2026-06-01"
