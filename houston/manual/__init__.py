"""The product's own manual: its pages, what stands in them, and the search over them.

A page is a template in `templates/help/pages/`; its facts come from the code that uses them, see
`facts.py`. What is found and listed is read from the page as it is rendered, so there is no second
list of headings to keep.
"""

import html
import re
from dataclasses import dataclass
from functools import cache

from django.template.loader import render_to_string

from houston.manual import facts
from invoker import events

MOST_FOUND = 20
MOST_WORDS = 8
LONGEST_QUERY = 200
AROUND = 90
SMALL = frozenset(
    "a an and are as at be by can do does for from get has have how i if in into is it its me "  # noqa: SIM905
    "mean means my not of on or that the this to was we what when where which who why will with "
    "you your".split()
)
"""Words of a question that say nothing about what is looked for."""
_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
# Around words, not within: `content-type` and `input.payload` are words.
_PUNCTUATION = re.compile(r"[?!,;:\"“”()]+|\.(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Page:
    slug: str
    title: str
    summary: str
    group: str
    event_type: str | None = None

    @property
    def template(self) -> str:
        name = "event" if self.event_type is not None else self.slug
        return f"help/pages/{name}.html"


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading; an empty `anchor` is the beginning of the page."""

    page: Page
    anchor: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A section that holds what was asked for, with the text around the first of them in parts.

    Every second part, from the second on, is a word that was asked for.
    """

    section: Section
    parts: tuple[str, ...]


def _events() -> list[Page]:
    return [
        Page(facts.event_slug(each), each.name, each.summary, "Events", each.id)
        for each in events.EVENT_TYPES.values()
    ]


PAGES = (
    Page("getting-started", "Getting started", "From nothing to the first answer", "Start"),
    Page("concepts", "Concepts", "How an event becomes a message, and the words for it", "Start"),
    Page("glossary", "Glossary", "Every word that has a meaning of its own here", "Start"),
    Page("events", "Events", "What can start a function, and how often", "Functions"),
    Page("commands", "Commands", "What a function may ask the controller bot for", "Functions"),
    Page("timing", "Office hours and idle times",
         "When time itself is the event, and what comes too late", "Functions"),
    Page("schedules", "Schedules", "Functions that run by the clock", "Functions"),
    Page("toolbelt", "Toolbelt", "What a function may require", "Functions"),
    Page("environment", "Environment, secrets and hosts", "What a function gets to know and reach",
         "Functions"),
    Page("files", "Functions as files", "Export, import, and LivePerson's command line",
         "Functions"),
    Page("watching", "Activity, logs and metrics", "Seeing what functions did, and how they fare",
         "Functions"),
    Page("dead-letters", "Dead letters", "What was given up: retry it, redeliver it or discard it",
         "Functions"),
    Page("conversations", "Conversations", "How each stands, and playing one", "Functions"),
    Page("replay", "Replay", "What a version would do on what really happened", "Functions"),
    Page("scenarios", "Scenarios", "Conversations as files that test functions", "Functions"),
    Page("limits", "Limits", "Every number that something is refused beyond", "Functions"),
    Page("states", "States and outcomes", "What the words in lists and traces mean", "Functions"),
    Page("errors", "Error codes", "Every code, what it means and the way out", "Functions"),
    *_events(),
    Page("coming-from-liveperson", "Coming from LivePerson",
         "Clients that stay as they are, what differs, and how to move",
         "Running it"),
    Page("connections", "Connections", "How each messaging platform is connected", "Running it"),
    Page("signing-in", "Signing in", "How people come in, back in, and into an account",
         "Running it"),
    Page("operations", "Operations", "Processes, settings, backup, upgrade, and when it fails",
         "Running it"),
    Page("security", "Security", "Who is trusted with what", "Running it"),
    Page("threats", "Threat model", "Who may do what, and what each part trusts", "Running it"),
    Page("promises", "What we promise and how we test it",
         "Never lost, never twice, in order, fair, fast: and how to repeat it", "Running it"),
    Page("shortcuts", "Keyboard shortcuts", "Everything without the mouse", "Running it"),
)  # fmt: skip
BY_SLUG = {page.slug: page for page in PAGES}


@cache
def content(page: Page) -> str:
    """The page's own HTML, without what surrounds it."""
    return render_to_string(page.template, {"page": page, **facts.of(page.event_type)})


@cache
def sections(page: Page) -> tuple[Section, ...]:
    """What stands under each heading, as plain text."""
    pieces = _HEADING.split(content(page))
    first = Section(page, "", page.title, f"{page.summary}. {_plain(pieces[0])}")
    rest = zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
    return (
        first,
        *(Section(page, each, _plain(title), _plain(text)) for each, title, text in rest),
    )


def search(query: str, *, most: int = MOST_FOUND) -> list[Found]:
    """Sections with every word of the query, those with it in their title first.

    A question has more words than any section: its small words do not count, and where no section
    has all the others, it is those with most of them.
    """
    asked = _PUNCTUATION.sub(" ", query[:LONGEST_QUERY].lower()).split()
    words = ([word for word in asked if word not in SMALL] or asked)[:MOST_WORDS]
    found: list[Found] = []
    for enough in range(len(words), len(words) // 2, -1):
        found = found or _rank(words, enough, most)
    return found


def _rank(words: list[str], enough: int, most: int) -> list[Found]:
    """Sections with at least `enough` of the words, the best of them first."""
    ranked: list[tuple[int, int, Section]] = []
    for section in (each for page in PAGES for each in sections(page)):
        title, text = section.title.lower(), section.text.lower()
        if sum(word in title or word in text for word in words) < enough:
            continue
        points = sum(20 * (word in title) + min(text.count(word), 5) for word in words)
        points += 10 * (not section.anchor and words[0] in title)
        ranked.append((-points, len(ranked), section))
    return [Found(section, _around(section.text, words)) for *_, section in sorted(ranked)[:most]]


def _around(text: str, words: list[str]) -> tuple[str, ...]:
    places = [at for word in words if (at := text.lower().find(word)) >= 0]
    begins = max(min(places, default=0) - AROUND, 0)
    # Up to the start of a word, so that no half of one stands there.
    if begins:
        begins = text.find(" ", begins) + 1 or begins
    shown = text[begins : begins + 2 * AROUND + 40]
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return tuple(re.split(f"({pattern})", shown, flags=re.IGNORECASE))


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())
