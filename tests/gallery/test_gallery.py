"""Every function template: its files, and what it does in the real sandbox."""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from functions import gallery
from invoker import events, runtime

TEMPLATES = {each.slug: each for each in gallery.load()}
# Those of the same events that show something else than commands.
WITHOUT_COMMANDS = {"keyword-scanner", "replace-files"}
MESSAGING = [
    each
    for each in TEMPLATES.values()
    if events.EVENT_TYPES[each.event_type].runs_commands and each.slug not in WITHOUT_COMMANDS
]


class Account:
    """An account with these secrets, as a function meets it."""

    def __init__(self, secrets: dict[str, Any] | None = None) -> None:
        self.secrets = secrets or {}

    def answer(self, op: str, arguments: Any) -> Any:
        if op == "http.permit":
            return True
        key = arguments["key"]
        if key not in self.secrets:
            raise runtime.CallError("com.liveperson.faas.secret.not-found", f'No secret "{key}"')
        if op == "secret.update":
            self.secrets[key] = arguments["value"]
        return {"key": key, "value": self.secrets[key]}


def by_slug(template):
    return template.slug


def run(template, payload, **edits):
    """Run a template; `edits` fill in constants that the author would fill in."""
    source = template.source
    for name, value in edits.items():
        constant = re.compile(rf"const {name} = .*?;(?=\s)", re.DOTALL)
        source, count = constant.subn(f"const {name} = {value};", source)
        assert count == 1
    result = runtime.run(runtime.Program(source=source, platform=Account()), payload)
    assert result.failure is None
    return result


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return None


def test_load_offers_a_template_for_every_event_type():
    assert {each.event_type for each in TEMPLATES.values()} == set(events.EVENT_TYPES)


def test_load_reads_the_folders_once():
    assert gallery.load() is gallery.load()


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=by_slug)
def test_payload_has_the_shape_of_the_events_sample(template):
    if template.event_type != events.NO_EVENT:
        assert shape(template.payload) == shape(events.sample(template.event_type))


@pytest.mark.parametrize("template", MESSAGING, ids=by_slug)
def test_messaging_template_shows_all_three_commands(template):
    for command in ("systemMessage", "transfer", "closeConversation"):
        assert f'type: "{command}"' in template.source


BROKEN = {
    "no file": ("function.js", None, '"mine", function.js: '),
    "no field": ("template.toml", 'name = "A"\nevent = ""\n', '"mine", summary: it needs a text'),
    "empty field": (
        "template.toml",
        'name = " "\nsummary = "B"\nevent = ""\n',
        '"mine", name: it is empty',
    ),
    "unknown field": (
        "template.toml",
        'name = "A"\nsummary = "B"\nevent = ""\nauthor = "C"\n',
        '"mine", author: known fields are name, summary, event',
    ),
    "unknown event": (
        "template.toml",
        'name = "A"\nsummary = "B"\nevent = "party"\n',
        '"mine", event: no event type has the id "party"',
    ),
    "no TOML": ("template.toml", "name", '"mine", template.toml: '),
    "no JSON": ("expected.json", "{", '"mine", expected.json: '),
    "other payload": (
        "payload.json",
        "{}",
        '"mine", payload.json: it needs "headers" and "payload", nothing else',
    ),
    "no lambda": (
        "function.js",
        "const lambda = 1;",
        '"mine", function.js: it needs a "function lambda(input, callback)"',
    ),
}


@pytest.mark.parametrize(("name", "text", "message"), BROKEN.values(), ids=BROKEN)
def test_read_names_folder_and_field_when_a_template_is_broken(tmp_path, name, text, message):
    folder = tmp_path / "mine"
    shutil.copytree(Path(gallery.__file__).parent / "greeting", folder)
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)

    with pytest.raises(gallery.GalleryError) as caught:
        gallery.read(tmp_path)

    assert str(caught.value).startswith(f"Cannot load function template {message}")


@pytest.mark.runtime
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=by_slug)
def test_template_deploys_as_it_is(template):
    assert runtime.check(template.source) == []


@pytest.mark.runtime
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=by_slug)
def test_template_returns_what_is_expected(template):
    result = run(template, template.payload)

    assert result.value == template.expected


@pytest.mark.runtime
@pytest.mark.parametrize("template", MESSAGING, ids=by_slug)
def test_unedited_messaging_template_only_says_something_whatever_happened(template):
    for subtype in events.EVENT_TYPES[template.event_type].subtypes:
        payload = copy.deepcopy(template.payload)
        payload["payload"]["general"] |= {"cbotEventType": subtype, "inOffHours": True}

        result = run(template, payload)

        assert [each["type"] for each in result.value] == ["systemMessage"]
        assert isinstance(result.value[0]["text"], str | list)


NEW, TTR, PARTICIPANTS, IDLE = (
    TEMPLATES["new-conversation"],
    TEMPLATES["ttr"],
    TEMPLATES["participants-change"],
    TEMPLATES["conversation-idle"],
)
ROUTING, LINE, END, STEP_UP = (
    TEMPLATES["conversation-routing"],
    TEMPLATES["line-in-off-hours"],
    TEMPLATES["conversation-end"],
    TEMPLATES["consumer-step-up"],
)
QUEUED = {
    "general": {"cbotEventType": "BACK_TO_QUEUE"},
    "participantChange": {"newParticipants": []},
}
LATE = {"general": {"manualETTR": "9999999999999", "cbotEventType": "AGENT_UPDATED_RESPONSE_TIME"}}

EDITED = {
    "VIPs get their own skill": (
        NEW,
        {"VIP_CAMPAIGN_ID": '"2327699812"', "VIP_SKILL_ID": '"9"'},
        {},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "a channel is closed": (
        NEW,
        {"CLOSED_CHANNEL": '"SharkContext"'},
        {},
        ["systemMessage", "closeConversation"],
    ),
    "urgent ones get their own skill": (
        TTR,
        {"URGENT_SKILL_ID": '"9"'},
        {},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "a late answer comes by mail": (
        TTR,
        {"CLOSE_WHEN_LATER_THAN_DAYS": "7", "URGENT_SKILL_ID": '"9"'},
        LATE | {"ttr": {"newTtr": {"ttrType": "CUSTOM", "value": 600}}},
        ["systemMessage", "closeConversation"],
    ),
    "agents give one back": (
        PARTICIPANTS,
        {"SECOND_TRY_SKILL_ID": '"9"', "CLOSE_IN_OFF_HOURS": "true"},
        QUEUED,
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "agents give one back in off-hours": (
        PARTICIPANTS,
        {"SECOND_TRY_SKILL_ID": '"9"', "CLOSE_IN_OFF_HOURS": "true"},
        QUEUED | {"general": QUEUED["general"] | {"inOffHours": True}},
        ["systemMessage", "closeConversation"],
    ),
    "the queue is long": (
        IDLE,
        {"OVERFLOW_SKILL_ID": '"9"'},
        {"general": {"cbotEventType": "CONV_AWAITING_IN_QUEUE"}},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "the queue is long there too": (
        IDLE,
        {"OVERFLOW_SKILL_ID": '"563267"'},
        {"general": {"cbotEventType": "CONV_AWAITING_IN_QUEUE"}},
        ["systemMessage"],
    ),
    "the consumer is gone": (
        IDLE,
        {"CLOSE_AFTER_HOURS": "24"},
        {},
        ["systemMessage", "closeConversation"],
    ),
    "the consumer waits for an answer": (
        IDLE,
        {"CLOSE_AFTER_HOURS": "24"},
        {"idle": {"lastConsumerMsgTs": 1700000000000}},
        ["systemMessage"],
    ),
    "a skill was replaced": (
        ROUTING,
        {"REPLACED_SKILLS": '{ "987301": "9" }'},
        {},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "two skills replace each other": (
        ROUTING,
        {"REPLACED_SKILLS": '{ "987301": "563267", "563267": "987301" }'},
        {},
        ["systemMessage"],
    ),
    "agents call it spam": (
        ROUTING,
        {"SPAM_SKILL_ID": '"987301"'},
        {},
        ["systemMessage", "closeConversation"],
    ),
    "somebody works at night": (
        LINE,
        {"NIGHT_SKILL_ID": '"9"'},
        {},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "an old conversation at night": (
        LINE,
        {"NIGHT_SKILL_ID": '"9"', "CLOSE_WHEN_OLDER_THAN_DAYS": "0.1"},
        {},
        ["systemMessage", "closeConversation"],
    ),
    "the system has closed": (
        END,
        {"FOLLOW_UP_SKILL_ID": '"9"', "SKIP_SURVEY": "true"},
        {"end": {"closeReason": "SYSTEM"}},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "the consumer has closed": (
        END,
        {"FOLLOW_UP_SKILL_ID": '"9"', "SKIP_SURVEY": "true"},
        {"end": {"closeReason": "CONSUMER"}},
        ["systemMessage", "closeConversation"],
    ),
    "members get their own skill": (
        STEP_UP,
        {"MEMBERS_SKILL_ID": '"9"'},
        {},
        ["systemMessage", {"type": "transfer", "skillId": "9"}],
    ),
    "a consumer is blocked": (
        STEP_UP,
        {"BLOCKED_CONSUMER_IDS": '["f39fbc5f-da77-5417-8bc7-7584efdd1a5e"]'},
        {},
        ["systemMessage", "closeConversation"],
    ),
}


@pytest.mark.runtime
@pytest.mark.parametrize(("template", "edits", "changes", "expected"), EDITED.values(), ids=EDITED)
def test_edited_messaging_template_moves_or_closes_when(template, edits, changes, expected):
    payload = copy.deepcopy(template.payload)
    for group, fields in changes.items():
        payload["payload"][group] |= fields

    result = run(template, payload, **edits)

    commands = [{"type": each} if isinstance(each, str) else each for each in expected]
    assert [
        {"type": each["type"]} if each["type"] == "systemMessage" else each for each in result.value
    ] == commands


@pytest.mark.runtime
def test_logging_template_writes_one_line_at_each_level():
    template = TEMPLATES["logging"]

    result = run(template, template.payload)

    assert [each.level for each in result.logs] == ["Debug", "Info", "Warn", "Error"]


@pytest.mark.runtime
def test_command_template_tells_what_it_knows_when_asked_for_something_else():
    template = TEMPLATES["conversational-command"]
    payload = copy.deepcopy(template.payload)
    payload["payload"]["arguments"] = ["dance"]

    result = runtime.run(runtime.Program(source=template.source), payload)

    assert result.outcome == "CODING_FAILURE"
    assert result.failure is not None
    assert result.failure.message == 'Cannot run "dance": try "echo" or "id"'


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("edits", "mails"),
    [
        ({"TARGET_EMAIL": '"quality@example.com"'}, 1),
        ({"TARGET_EMAIL": '"quality@example.com"', "MAIL_UP_TO_RANK": "2"}, 0),
    ],
)
def test_transcript_template_mails_bad_ratings_only(edits, mails):
    template = TEMPLATES["chat-post-survey-transcript"]

    result = run(template, template.payload, **edits)

    assert [each["subject"] for each in result.value] == [
        "Rated 3: Alex Rivera in CustomerCare"
    ] * mails


@pytest.mark.runtime
def test_bot_template_hands_over_when_the_consumer_asks_for_a_person():
    template = TEMPLATES["bot-custom-integration"]
    payload = {"headers": [], "payload": {"message": "A human, please", "event": {}}}

    result = run(template, payload, AGENTS_SKILL='"Agents"')

    assert result.value["context"] == {
        "action": "TRANSFER",
        "actionParameters": {"skill": "Agents"},
    }


@pytest.mark.runtime
def test_pre_hook_template_adds_the_conversation_when_told_to():
    template = TEMPLATES["bot-pre-hook"]

    result = run(template, template.payload, ADD_CONVERSATION_ID="true")

    assert result.value["queryParams"] == {
        "payload": {"conversationId": template.payload["payload"]["convId"]}
    }


@pytest.mark.runtime
def test_post_hook_template_asks_back_when_the_bot_is_unsure():
    template = TEMPLATES["bot-post-hook"]

    result = run(template, template.payload, LEAST_CONFIDENCE="0.99")

    assert result.value["queryResult"]["fulfillmentText"].startswith("I am not sure")


def test_secret_storage_updates_a_secret_that_is_there():
    template = TEMPLATES["secret-storage"]
    account = Account({"orders-token": "an old token"})
    program = runtime.Program(source=template.source, platform=account)

    result = runtime.run(program, template.payload)

    assert result.value == "done"
    assert account.secrets == {"orders-token": "a new token"}
    assert "token" not in str([entry.extras for entry in result.logs]).replace("orders-token", "")


@pytest.mark.parametrize("slug", sorted(WITHOUT_COMMANDS))
def test_template_that_cannot_read_the_conversation_says_so(slug):
    template = TEMPLATES[slug]
    secrets = Account({"file-storage": {"username": "ann", "password": "secret"}})
    program = runtime.Program(source=template.source, platform=secrets)

    result = runtime.run(program, template.payload)

    assert result.value == []
    assert [entry.level for entry in result.logs] == ["Error"]
