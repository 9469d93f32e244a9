"""What stands in an automatic message: languages, placeholders, and what platforms refuse. Pure."""

import re
from collections.abc import Iterable

from babel import Locale, UnknownLocaleError
from babel.lists import format_list
from babel.units import format_unit

RESPONSE_TIME = "{expectedResponseTime}"
AGENT_NICKNAME = "{agentNickname}"
"""Source: both placeholders, `controller-bot.md` §5.2."""

MAX_LANGUAGE = 20
MAX_TEXT = 5000
"""Characters of one text. No source: well below what messaging platforms take in one line."""

FORBIDDEN = "<>\\"
"""The platform may refuse a text with one of these. Source: `controller-bot.md` §5.2."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_PLACEHOLDER = re.compile(r"\{[^{}\n]{1,40}\}")
_KNOWN = re.compile("|".join(map(re.escape, (RESPONSE_TIME, AGENT_NICKNAME))))
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3600, 60
_UNITS = (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S))
_REGION_LENGTH, _SCRIPT_LENGTH = 2, 4
_FALLBACK = Locale("en")


def normalize_language(text: str) -> str:
    """A language tag as it is kept, such as `de-AT` for `DE_at`; "" when it is none."""
    tag = text.strip().replace("_", "-").lower()
    if len(tag) > MAX_LANGUAGE or not _LANGUAGE.fullmatch(tag):
        return ""
    primary, *others = tag.split("-")
    return "-".join([primary, *map(_cased, others)])


def _cased(part: str) -> str:
    if len(part) == _REGION_LENGTH:
        return part.upper()
    return part.title() if len(part) == _SCRIPT_LENGTH and part.isalpha() else part


def nearest(languages: Iterable[str], wanted: str | None) -> str | None:
    """The one of `languages` that somebody with `wanted` reads best.

    Returns:
        The same language, else one that differs only in region or script, else None.
    """
    known = {normalize_language(each): each for each in sorted(languages)}
    tag = normalize_language(wanted or "")
    if not tag:
        return None
    if tag in known:
        return known[tag]
    primary = tag.partition("-")[0]
    if primary in known:
        return known[primary]
    return next((each for key, each in known.items() if key.partition("-")[0] == primary), None)


def name_language(language: str) -> str:
    """What a language is called in English, "" when nobody knows."""
    try:
        return Locale.parse(language, sep="-").get_display_name("en") or ""
    except (ValueError, UnknownLocaleError):
        return ""


def fill(text: str, *, language: str, response_time_s: int, agent_nickname: str) -> str:
    """Put in what the placeholders stand for; others stay as they are."""
    values = {AGENT_NICKNAME: agent_nickname}
    if RESPONSE_TIME in text:
        values[RESPONSE_TIME] = spell_duration(response_time_s, language)
    # In one pass, so that a nickname that looks like a placeholder stays a nickname.
    return _KNOWN.sub(lambda found: values[found.group()], text)


def spell_duration(seconds: int, language: str) -> str:
    """A duration in words, such as "1 day and 20 hours".

    The largest unit and the one below it, cut and not rounded. Seconds are told only where there
    is nothing else to tell.
    """
    locale = _locale(language)
    parts: list[str] = []
    for position, (unit, length_s) in enumerate(_UNITS):
        count, rest_s = divmod(max(seconds, 0), length_s)
        if not count:
            continue
        parts.append(_spell(count, unit, locale))
        for below, below_s in _UNITS[position + 1 : position + 2]:
            if rest_s >= below_s:
                parts.append(_spell(rest_s // below_s, below, locale))
        break
    return format_list(parts or [_spell(max(seconds, 0), "second", locale)], locale=locale)


def _spell(count: int, unit: str, locale: Locale) -> str:
    return format_unit(count, f"duration-{unit}", length="long", locale=locale)


def _locale(language: str) -> Locale:
    tag = normalize_language(language)
    for candidate in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return _FALLBACK


def warn(text: str) -> list[str]:
    """What may go wrong with a text, in words; empty when nothing does."""
    warnings = []
    unknown = sorted({each for each in _PLACEHOLDER.findall(text) if not _KNOWN.fullmatch(each)})
    if unknown:
        warnings.append(
            f"{', '.join(unknown)} is sent as it stands: the placeholders are {RESPONSE_TIME} "
            f"and {AGENT_NICKNAME}"
        )
    signs = [sign for sign in FORBIDDEN if sign in text]
    if signs:
        warnings.append(
            f"{' and '.join(signs)} can make the platform refuse the message: write it without"
        )
    if RESPONSE_TIME in text:
        warnings.append("It is not sent while no response time is known, nor once the time is over")
    return warnings
