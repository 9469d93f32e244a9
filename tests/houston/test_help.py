"""The manual says what the product does: it cannot fall behind the code unseen."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from houston import manual
from houston.manual import codes, facts
from houston.models import User
from invoker import events
from invoker.models import CommandType, InvocationState, Platform, Verdict

ROOT = Path(__file__).parents[2]
CHECKER = ROOT / "invoker/runtime/host/checker.js"


def _nodes() -> Iterator[ast.AST]:
    for package in ("houston", "functions", "invoker"):
        for path in (ROOT / package).rglob("*.py"):
            if "node_modules" not in path.parts:
                yield from ast.walk(ast.parse(path.read_text()))


def _texts(nodes: list[ast.expr]) -> list[str]:
    return [
        each.value
        for each in nodes
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def _codes_in_source() -> set[str]:
    """What classes carry as `code`, and what is given where an answer or a reason is made."""
    found = set()
    for node in _nodes():
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "code":
                    found.update(_texts([each.value]))
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in {"RejectedError", "Problem", "Stale", "ActError", "Note", "Difference"}:
                found.update(_texts(node.args)[:1])
            if name in {"Asked", "_settle"}:
                found.update(_texts([each.value for each in node.keywords if each.arg == "reason"]))
    checked = re.findall(r'(?:code: |problem\()"([a-z-]+)"', CHECKER.read_text())
    return {each for each in found | set(checked) if re.fullmatch(r"[a-z]+(-[a-z]+)*", each)}


def test_every_code_of_the_source_is_explained() -> None:
    found = _codes_in_source()
    assert len(found) > 60
    assert found - codes.KNOWN == set()


def test_codes_are_told_once_in_their_group() -> None:
    for group in codes.CODES.values():
        names = [each.code for each in group]
        assert names == sorted(set(names))


def test_every_event_has_a_page_with_each_field_of_its_payload() -> None:
    for event_type in events.EVENT_TYPES.values():
        page = manual.BY_SLUG[facts.event_slug(event_type)]
        text = manual.content(page)
        assert [
            f for f in events.fields(event_type.id) if f"<code>{f.path}</code>" not in text
        ] == []
        assert [each for each in event_type.subtypes if each not in text] == []


def test_commands_platforms_outcomes_and_verdicts_are_explained() -> None:
    commands = {each.anchor for each in manual.sections(manual.BY_SLUG["commands"])}
    platforms = {each.anchor for each in manual.sections(manual.BY_SLUG["connections"])}
    states = manual.content(manual.BY_SLUG["states"])
    assert set(CommandType.values) <= commands
    assert {f"platform-{each}" for each in Platform.values} <= platforms
    assert all(f'id="outcome-{each.lower()}"' in states for each in InvocationState.values)
    assert all(f'id="verdict-{each}"' in states for each in Verdict.values if each)


def test_settings_are_those_of_the_readme() -> None:
    assert len(facts.environment_settings()) > 20
    page = manual.content(manual.BY_SLUG["operations"])
    assert all(f'id="setting-{each.name}"' in page for each in facts.environment_settings())


def test_limits_follow_the_code(settings: pytest.FixtureRequest) -> None:
    settings.INVOCATION_TIMEOUT_S = 12.0  # type: ignore[attr-defined]
    assert "12 s" in {each.value for each in facts.limits()}


@pytest.mark.parametrize("page", manual.PAGES, ids=lambda page: page.slug)
def test_page_links_to_what_is_there(page: manual.Page, developer_client: Client) -> None:
    response = developer_client.get(reverse("help-page", args=[page.slug]))
    text = response.content.decode()
    assert response.status_code == 200
    anchors = re.findall(r'href="#([^"]+)"', text)
    assert all(f'id="{each}"' in text for each in anchors)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_page_that_is_not_there(developer_client: Client) -> None:
    assert developer_client.get("/help/no-such-page/").status_code == 404


def test_help_asks_strangers_to_sign_in(client: Client) -> None:
    assert client.get("/help/").status_code == 302


def test_search_finds_a_field_and_marks_it(developer_client: Client) -> None:
    text = developer_client.get("/help/", {"q": "newSkillId"}).content.decode()
    assert "<mark>newSkillId</mark>" in text
    assert reverse("help-page", args=["event-messaging-conversation-routing"]) in text


def test_search_puts_a_title_first() -> None:
    assert manual.search("backup")[0].section.anchor == "backup"


@pytest.mark.parametrize(
    ("question", "page", "anchor"),
    [
        ("What is sent to the consumer when my function throws?", "commands", "fails"),
        ("What happens with two system messages?", "commands", "dropped"),
        ('What does "Too late" mean?', "commands", "late"),
        ("How do I rotate a signing secret?", "connections", "rotating"),
        ("2fa", "signing-in", "signing-in"),
        ("duplicate", "connections", "platform-generic"),
    ],
)
def test_question_finds_where_it_is_answered(question: str, page: str, anchor: str) -> None:
    first = [(each.section.page.slug, each.section.anchor) for each in manual.search(question)][:3]
    assert (page, anchor) in first


def test_words_that_no_section_has_find_nothing() -> None:
    assert manual.search("zebra giraffe") == []
    assert manual.search("zebra backup giraffe") == []


@pytest.mark.parametrize("query", ["<script>", "\0", "x" * 5000, "(", "   "])
def test_search_takes_anything(query: str, developer_client: Client) -> None:
    response = developer_client.get("/help/", {"q": query})
    assert response.status_code == 200
    assert b"<script>&" not in response.content


def test_help_is_open_to_people_without_an_account(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("nora"))
    assert client.get("/help/").status_code == 200


def test_every_picture_is_there_in_both_themes_and_shown_somewhere():
    named = set()
    for path in (ROOT / "templates/help").rglob("*.html"):
        named.update(re.findall(r'{% picture "([^"]+)"', path.read_text()))
    files = {path.name for path in (ROOT / "static/img/manual").iterdir()}
    in_readme = set(re.findall(r"static/img/manual/([^)]+)", (ROOT / "README.md").read_text()))

    assert {f"{name}-{theme}.png" for name in named for theme in ("light", "dark")} <= files
    assert in_readme <= files
    assert {name.rpartition("-")[0] for name in files} == named | {
        name.rpartition("-")[0] for name in in_readme
    }
