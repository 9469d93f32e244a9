"""Automatic messages as the vendor writes them down: export, and import after a look at it.

A document is a list of items, in one of two shapes that differ in their attributes. Source:
`controller-bot.md` §5.1. How the vendor writes a skill's own message is not published, so such an
item carries a key of our own, `skillId`; so does an attribute of ours, `repeats`. What belongs to
the vendor's own rows, `id` and `templateId`, is neither read nor written.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Count

from invoker import audit
from invoker.automatic_messages import changes, history, timers
from invoker.automatic_messages.defaults import IDLE_DEFAULTS, SUBTYPES
from invoker.automatic_messages.errors import DocumentError, LimitError, MessageError
from invoker.models import AutomaticMessage, AutomaticText

logger = logging.getLogger(__name__)

MAX_DOCUMENT = 1_000_000
"""Characters of a document to import."""
MAX_ITEMS = 5000
"""More than an account can have: every sub-type for as many skills as may have their own."""
BATCH = 200
SHOWN_LENGTH = 80
TIMER, REPEATS = "timer", "repeats"
Found = TypeVar("Found")
_ORDER: Final = {subtype: position for position, subtype in enumerate(SUBTYPES)}


class _Text(msgspec.Struct, rename="camel"):
    lang: str
    msg: str = ""
    is_default: bool = False


class _Item(msgspec.Struct, rename="camel"):
    message_event_id: str
    enabled: bool = True
    deleted: bool = False
    data: list[_Text] = []
    attributes: list[dict[str, Any]] = []
    skill_id: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one row says. `texts` are pairs of language and text, in order of the language."""

    subtype: str
    skill_id: str = ""
    enabled: bool = True
    texts: tuple[tuple[str, str], ...] = ()
    default: str = ""
    timer_s: int | None = None
    repeats: int | None = None
    deleted: bool = False
    """The skill is to have no message of its own."""

    @property
    def key(self) -> tuple[str, str]:
        return self.subtype, self.skill_id


@dataclass(frozen=True, slots=True)
class Change:
    """What an import does to one row; `lines` say it in words."""

    setting: Setting
    lines: tuple[str, ...]


# Export -------------------------------------------------------------------------------------------


def write(account_id: str, *, unified: bool) -> list[dict[str, Any]]:
    """An account's messages as a document; `unified` chooses the vendor's newer shape."""
    found = _read_settings(account_id).values()
    return [
        _item(each, unified=unified)
        for each in sorted(found, key=lambda one: (_ORDER.get(one.subtype, len(_ORDER)), one.key))
    ]


def _item(setting: Setting, *, unified: bool) -> dict[str, Any]:
    numbers = {TIMER: setting.timer_s, REPEATS: setting.repeats}
    attributes = [(name, str(value)) for name, value in numbers.items() if value is not None]
    item: dict[str, Any] = {
        "deleted": False,
        "enabled": setting.enabled,
        "messageEventId": setting.subtype,
        "data": [
            {"msg": text, "lang": language, "isDefault": language == setting.default}
            for language, text in setting.texts
        ],
        "attributes": [
            {name: value} if unified else {"name": name, "value": value}
            for name, value in attributes
        ],
    }
    return {**item, "skillId": setting.skill_id} if setting.skill_id else item


def _read_settings(account_id: str) -> dict[tuple[str, str], Setting]:
    rows = AutomaticMessage.objects.filter(account_id=account_id).prefetch_related("texts")
    settings = (
        Setting(
            subtype=row.subtype,
            skill_id=row.skill_id,
            enabled=row.enabled,
            texts=tuple(sorted((each.language, each.text) for each in row.texts.all())),
            default=next((each.language for each in row.texts.all() if each.is_default), ""),
            timer_s=row.timer_s,
            repeats=row.repeats,
        )
        for row in rows
    )
    return {each.key: each for each in settings}


# Import -------------------------------------------------------------------------------------------


def read(document: str) -> list[Setting]:
    """Read a document of either shape.

    Raises:
        DocumentError: something in it is wrong; the message says where, what, and what to do.
    """
    if len(document) > MAX_DOCUMENT:
        raise DocumentError(
            f"Cannot import {len(document):,} characters: split the list into documents of at most "
            f"{MAX_DOCUMENT:,}"
        )
    try:
        items = msgspec.json.decode(document, type=list[_Item])
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise _wrong(where.strip("`") or "$", what[:1].lower() + what[1:]) from error
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise DocumentError(
            f"Cannot import the document: it is no JSON ({str(error)[:120]}), paste the whole list"
        ) from error
    if len(items) > MAX_ITEMS:
        raise DocumentError(
            f"Cannot import {len(items):,} items: split the list into at most {MAX_ITEMS:,}"
        )
    settings = [_read_item(item, f"$[{position}]") for position, item in enumerate(items)]
    seen: dict[tuple[str, str], int] = {}
    for position, each in enumerate(settings):
        first = seen.setdefault(each.key, position)
        if first != position:
            raise _wrong(f"$[{position}]", f"{_name(each)} is also $[{first}]: delete one of them")
    return settings


def _read_item(item: _Item, path: str) -> Setting:
    subtype = item.message_event_id
    if subtype not in _ORDER:
        raise _wrong(
            f"{path}.messageEventId",
            f'"{subtype[:SHOWN_LENGTH]}" is no event of the controller bot: delete this item',
        )
    skill = "" if item.skill_id is None else str(item.skill_id)
    if skill:
        skill = _checked(f"{path}.skillId", changes.check_skill, skill)
    texts, default = _read_texts(item.data, path)
    timer_s, repeats = _read_attributes(item.attributes, subtype, path)
    # A skill's row that says nothing is the same as none.
    says_nothing = item.enabled and not texts and timer_s is None and repeats is None
    return Setting(
        subtype=subtype,
        skill_id=skill,
        # A message of the account that was deleted is one that does not go out.
        enabled=item.enabled and not (item.deleted and not skill),
        texts=texts,
        default=default,
        timer_s=timer_s,
        repeats=repeats,
        deleted=bool(skill) and (item.deleted or says_nothing),
    )


def _read_texts(data: Sequence[_Text], path: str) -> tuple[tuple[tuple[str, str], ...], str]:
    texts: dict[str, str] = {}
    defaults = []
    if len(data) > changes.MAX_LANGUAGES:
        raise _wrong(f"{path}.data", f"there are more than {changes.MAX_LANGUAGES} texts")
    for position, one in enumerate(data):
        here = f"{path}.data[{position}]"
        language = _checked(f"{here}.lang", changes.check_language, one.lang)
        if language in texts:
            raise _wrong(f"{here}.lang", f'"{language}" is there twice: delete one of them')
        texts[language] = _checked(f"{here}.msg", changes.check_text, one.msg)
        if one.is_default:
            defaults.append(language)
    if len(texts) == 1 and not defaults:
        defaults = list(texts)
    if texts and len(defaults) != 1:
        raise _wrong(
            f"{path}.data", f'{len(defaults)} texts are the default: set "isDefault" on exactly one'
        )
    return tuple(sorted(texts.items())), defaults[0] if defaults else ""


def _read_attributes(
    attributes: Iterable[dict[str, Any]], subtype: str, path: str
) -> tuple[int | None, int | None]:
    """Seconds and repeats; what other attributes say is the vendor's own affair."""
    numbers: dict[str, int] = {}
    for position, each in enumerate(attributes):
        pairs = {each["name"]: each.get("value")} if isinstance(each.get("name"), str) else each
        for name in (TIMER, REPEATS):
            if name in pairs:
                numbers[name] = _number(pairs[name], f"{path}.attributes[{position}]", name)
    if numbers and subtype not in IDLE_DEFAULTS:
        raise _wrong(
            f"{path}.attributes", f"{subtype} is no idle event and has no timer: delete the timer"
        )
    timer_s, repeats = numbers.get(TIMER), numbers.get(REPEATS)
    _checked(f"{path}.attributes", timers.check, timer_s, repeats)
    return timer_s, repeats


def _number(value: object, path: str, name: str) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004
        raise _wrong(path, f'"{name}" is {str(value)[:SHOWN_LENGTH]!r}: write a number as text')
    return int(text)


def _checked(path: str, check: Callable[..., Found], *values: Any) -> Found:
    try:
        return check(*values)
    except MessageError as error:
        what = str(error)
        raise _wrong(path, what[:1].lower() + what[1:]) from error


def _wrong(path: str, what: str) -> DocumentError:
    return DocumentError(f"Cannot import the document, see {path}: {what}")


def _name(setting: Setting) -> str:
    return f"{setting.subtype} of {setting.skill_id or 'the account'}"


def compare(account_id: str, settings: Iterable[Setting]) -> list[Change]:
    """What an import would change, in the order of the catalogue. Rows that stay are left out."""
    present = _read_settings(account_id)
    found = [Change(each, tuple(_tell(present.get(each.key), each))) for each in settings]
    return sorted(
        (change for change in found if change.lines),
        key=lambda change: (_ORDER[change.setting.subtype], change.setting.skill_id),
    )


def _tell(old: Setting | None, new: Setting) -> Iterable[str]:
    if new.deleted:
        if old is not None:
            yield "The skill's own message and idle time are deleted"
        return
    before = old or Setting(subtype=new.subtype, skill_id=new.skill_id)
    if old is None:
        yield f"New for skill {new.skill_id}" if new.skill_id else "New for the account"
    if before.enabled != new.enabled:
        yield "Switched on" if new.enabled else "Switched off"
    old_texts, new_texts = dict(before.texts), dict(new.texts)
    for language in sorted({*old_texts, *new_texts}):
        was, now = old_texts.get(language), new_texts.get(language)
        if now is None:
            yield f"{language}: deleted"
        elif was != now:
            shown = now if len(now) <= SHOWN_LENGTH else f"{now[:SHOWN_LENGTH]}…"
            yield f"{language}: {'new text' if was is None else 'changed to'} “{shown}”"
    if before.default != new.default and new.default:
        yield f"{new.default} becomes the default"
    if before.timer_s != new.timer_s:
        yield f"Idle time: {_time(before.timer_s)} → {_time(new.timer_s)}"
    if before.repeats != new.repeats:
        yield f"Repeats: {before.repeats or 'not set'} → {new.repeats or 'not set'}"


def _time(timer_s: int | None) -> str:
    return "not set" if timer_s is None else timers.spell(timer_s)


def carry_out(account_id: str, settings: Iterable[Setting], *, by: str) -> list[Change]:
    """Import: every item replaces its row, rows without an item stay. All of it or nothing.

    Raises:
        LimitError: too many skills would have their own; nothing was changed.
        DocumentError: somebody else added the same rows meanwhile; nothing was changed.
    """
    try:
        with transaction.atomic():
            found = compare(account_id, settings)
            _replace(account_id, [change.setting for change in found])
            _check_skills(account_id)
            if found:
                _record(account_id, found, by=by)
    except IntegrityError as error:
        raise DocumentError(
            "Cannot import the document: somebody else changes the messages right now, import it "
            "again"
        ) from error
    logger.info(
        "automatic messages imported", extra={"account_id": account_id, "count": len(found)}
    )
    return found


def _record(account_id: str, found: Sequence[Change], *, by: str) -> None:
    told = {
        history.name(each.setting.subtype, each.setting.skill_id): "\n".join(each.lines)
        for each in found
    }
    count = "1 automatic message" if len(found) == 1 else f"{len(found):,} automatic messages"
    audit.record(account_id, "message.imported", count, by=by, after=told)


def _replace(account_id: str, settings: Sequence[Setting]) -> None:
    """In few statements, however many rows: nobody else writes to an SQLite file meanwhile."""
    own = AutomaticMessage.objects.filter(account_id=account_id)
    present = {(row.subtype, row.skill_id): row for row in own}
    gone = [present[each.key].pk for each in settings if each.deleted]
    kept = [each for each in settings if not each.deleted]
    new = []
    for each in kept:
        row = present.get(each.key)
        if row is None:
            row = AutomaticMessage(
                account_id=account_id, subtype=each.subtype, skill_id=each.skill_id
            )
            new.append(row)
            present[each.key] = row
        row.enabled, row.timer_s, row.repeats = each.enabled, each.timer_s, each.repeats
    old = [present[each.key] for each in kept if present[each.key].pk]
    for ids in _batches([*gone, *(row.pk for row in old)]):
        AutomaticText.objects.filter(message__in=ids).delete()
    for ids in _batches(gone):
        own.filter(pk__in=ids).delete()
    AutomaticMessage.objects.bulk_update(old, ["enabled", "timer_s", "repeats"], BATCH)
    AutomaticMessage.objects.bulk_create(new, BATCH)
    AutomaticText.objects.bulk_create(
        [
            AutomaticText(
                message=present[each.key],
                language=language,
                text=text,
                is_default=language == each.default,
            )
            for each in kept
            for language, text in each.texts
        ],
        BATCH,
    )


def _batches(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _check_skills(account_id: str) -> None:
    skills = AutomaticMessage.objects.filter(account_id=account_id).exclude(skill_id="")
    counts = skills.values_list("subtype").annotate(count=Count("id"))
    for subtype, count in counts:
        if count > changes.MAX_SKILLS:
            raise LimitError(
                f"Cannot import the document: more than {changes.MAX_SKILLS} skills would have "
                f"their own {subtype}, delete some"
            )
