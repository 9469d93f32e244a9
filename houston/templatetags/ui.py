"""What every page is built from: icons, badges, times. No queries, no rules of the business."""

import datetime as dt
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join, json_script
from django.utils.safestring import SafeString, mark_safe

from houston.manual.codes import CODES, KNOWN, MEANINGS

register = template.Library()

SETTINGS = (
    ("settings", "Overview"),
    ("connections", "Connections"),
    ("domains", "Allow-list"),
    ("secrets", "Secrets"),
    ("automatic-messages", "Automatic messages"),
    ("hours", "Office hours"),
    ("idle-times", "Idle times"),
    ("controller-bot", "Controller bot"),
    ("retention", "Retention"),
    ("api-clients", "API clients"),
    ("members", "Members"),
    ("alerts", "Alerts"),
    ("audit-log", "Audit log"),
)
"""The pages of an account's settings, in order: the name of each address, and what people read."""
FOR_ADMINS = frozenset({"members"})


@dataclass(frozen=True, slots=True)
class SettingsPage:
    name: str
    label: str
    url: str


class Moment(Protocol):
    """One row of a chart's table."""

    @property
    def starts_at(self) -> dt.datetime: ...
    @property
    def label(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def values(self) -> Sequence[float | None]: ...


_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
SECOND_MS = 1000
MINUTE_MS = 60_000
SHORT_LINE = 60
MOST_COMPARED_LINES = 2000
MARKS = {"+": ("added", "+"), "-": ("removed", "-"), " ": ("same", " "), "@": ("gap", "⋯")}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of `img/icons.svg`. It only decorates: the text beside it carries the meaning."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def help_link(slug: str, about: str = "") -> SafeString:
    """A "?" beside a heading that leads to a page of the manual."""
    return format_html(
        '<a class="help-link" href="{}" aria-label="Help: {}" title="Help">?</a>',
        reverse("help-page", args=[slug]),
        about or slug.replace("-", " "),
    )


@register.simple_tag
def explained_codes(group: str) -> SafeString:
    """The codes of a group of the manual, for scripts: `{code: [way out, its place in Help]}`."""
    page = reverse("help-page", args=["errors"])
    codes = {each.code: [each.way_out, f"{page}#{each.code}"] for each in CODES[group]}
    return json_script(codes, "explained-codes")


@register.simple_tag
def picture(name: str, about: str) -> SafeString:
    """A picture of a page in the manual, in the theme of who reads; `about` is said for it.

    `make screenshots ARGS=--manual` renews them.
    """
    images = format_html_join(
        "",
        '<img class="only-{}" src="{}" alt="{}" width="1440" height="900" loading="lazy">',
        ((theme, static(f"img/manual/{name}-{theme}.png"), about) for theme in ("light", "dark")),
    )
    return format_html('<figure class="picture">{}</figure>', images)


@register.simple_tag
def built(path: str) -> str:
    """The address of a file that a build makes; empty where it was not built."""
    try:
        return static(path)
    except ValueError:
        return ""


@register.simple_tag
def explained(code: str) -> SafeString:
    """A code, with the way to what it means where the manual has it."""
    if code not in KNOWN:
        return format_html('<span class="soft mono">{}</span>', code)
    page = reverse("help-page", args=["errors"])
    return format_html('<a class="soft mono" href="{}#{}">{}</a>', page, code, code)


@register.filter
def meaning(code: str) -> str:
    """What a code means, in the words of the manual; empty where it is another's word."""
    return MEANINGS.get(code, "")


@register.simple_tag
def badge(state: str, label: str = "") -> SafeString:
    """A state as a coloured word; `state` chooses the colour, `label` is what people read."""
    return format_html('<span class="badge" data-state="{}">{}</span>', state, label or state)


@register.simple_tag(takes_context=True)
def current(context: template.Context, url: str) -> str:
    """`aria-current` for a link to `url`, when the page shown is that one or lies below it."""
    return "page" if context["request"].path.startswith(url) else "false"


@register.simple_tag(takes_context=True)
def settings_pages(context: template.Context) -> list[SettingsPage]:
    """The pages of settings that the person who asks may open."""
    administrates = context["is_team"] or "admin" in context["roles"]
    return [
        SettingsPage(name, label, reverse(name, args=[context["account"].pk]))
        for name, label in SETTINGS
        if administrates or name not in FOR_ADMINS
    ]


@register.simple_tag
def ago(moment: dt.datetime | None) -> SafeString | str:
    """How long ago something was, with the exact time on hover. Nothing for None."""
    if moment is None:
        return ""
    exact = moment.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        relative(exact),
    )


@register.simple_tag
def ahead(moment: dt.datetime) -> SafeString:
    """How long it is until something is due, with the exact time on hover."""
    exact = moment.astimezone(dt.UTC)
    left_s = (exact - timezone.now()).total_seconds()
    # A moment in the past is one that nobody came to yet.
    unit, length_s = next((each for each in UNITS if left_s >= each[1]), ("s", 1))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        f"in {int(left_s // length_s)} {unit}" if left_s >= 1 else "now",
    )


@register.simple_tag
def chart_rows(moments: Iterable[Moment], unit: str = "") -> SafeString:
    """The rows of a chart's table: two thousand cells, too many for loops of a template."""
    return format_html_join(
        "\n",
        '<tr><th scope="row"><a href="{}"><time datetime="{}" title="{} UTC">{}</time></a></th>'
        "{}</tr>",
        (
            (
                each.url,
                each.starts_at.isoformat(),
                f"{each.starts_at:%Y-%m-%d %H:%M}",
                each.label,
                _cells(each.values, unit),
            )
            for each in moments
        ),
    )


def _cells(values: Sequence[float | None], unit: str) -> SafeString:
    show = ms if unit else "{:,}".format
    cells = [
        '<td class="number"></td>'
        if value is None
        else f'<td class="number" data-value="{round(value, 2)}">{show(value)}</td>'
        for value in values
    ]
    return mark_safe("".join(cells))  # noqa: S308  # nosec B308, B703 -- numbers


@register.simple_tag
def exact(moment: dt.datetime) -> SafeString:
    """A time to the second, with how long ago it was on hover: where many lie close together."""
    utc = moment.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.isoformat(),
        relative(utc),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
    )


@register.filter
def by_clock(moment: dt.datetime | None, now: dt.datetime) -> str:
    """A time of day, with its date where that is not the day of `now`. Nothing for None."""
    if moment is None:
        return ""
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    year = "" if moment.year == now.year else f" {moment:%Y}"
    return f"{moment.day} {moment:%b}{year}, {moment:%H:%M:%S}"


@register.filter
def relative(moment: dt.datetime) -> str:
    """A time as people say it; a date once it is more than a week away."""
    age = timezone.now() - moment
    if age < dt.timedelta(0):
        return f"{moment:%Y-%m-%d %H:%M}"
    if age < dt.timedelta(seconds=5):
        return "just now"
    if age > dt.timedelta(days=8):
        return f"{moment:%Y-%m-%d}"
    unit, length_s = next(each for each in UNITS if age.total_seconds() >= each[1])
    count = int(age.total_seconds() // length_s)
    return f"{count} {unit} ago"


@register.filter
def ms(value: float | None) -> str:
    """A duration in milliseconds: `0.7 ms`, `84 ms`, `1.25 s`, `2 min 5 s`."""
    if value is None:
        return ""
    if value < SECOND_MS:
        return f"{value:.{1 if 0 < value < SECOND_MS / 100 else 0}f} ms"
    if value < MINUTE_MS:
        return f"{value / SECOND_MS:.2f} s"
    minutes, rest = divmod(round(value / SECOND_MS), 60)
    return f"{minutes} min {rest} s"


@register.filter
def one_line(value: Any) -> str:
    """Any JSON value as text on one line, however long."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def pretty(value: Any) -> str:
    """Any JSON value as text: on one line when it is short, indented otherwise."""
    line = one_line(value)
    return line if len(line) <= SHORT_LINE else json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def at(values: Mapping[Any, Any], key: object) -> Any:
    """What a mapping has for a key, None for nothing."""
    return values.get(key)


@register.filter
def difference(before: str, after: str) -> list[tuple[str, str, str]]:
    """What changed, line by line: kind ("added", "removed", "same", "gap"), mark and text.

    Empty when nothing did, and for texts of so many lines that finding out takes too long.
    """
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_COMPARED_LINES:
        return []
    # The two first lines name files.
    lines = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    return [(*MARKS[line[0]], "" if line[0] == "@" else line[1:]) for line in lines]


@register.filter
def prose(text: str) -> SafeString:
    """Paragraphs of plain text, with what stands in backticks as code and in ** as strong."""
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n")]
    marked = [
        _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(each)))
        for each in paragraphs
        if each
    ]
    # Escaped above, before the marks were put in.
    return mark_safe("".join(f"<p>{each}</p>" for each in marked))  # noqa: S308  # nosec B308, B703


@register.filter
def coded(text: str) -> SafeString:
    """Plain text with what stands in backticks as code."""
    # Escaped before the marks are put in.
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308  # nosec B308, B703


@register.filter
def middle(text: str, length: int = 20) -> str:
    """A long id cut in the middle, so that its beginning and its end stay readable."""
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return f"{text[: length - 1 - end]}…{text[-end:]}"
