"""Every change to an account's automatic messages, its idle times and its controller bot."""

import logging
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

from django.db import IntegrityError, transaction

from invoker import audit
from invoker.automatic_messages import history, timers, wording
from invoker.automatic_messages.defaults import (
    DEFAULT_LANGUAGE,
    DEFAULT_TEXTS,
    IDLE_DEFAULTS,
    SUBTYPES,
    SWITCHED_OFF_AT_FIRST,
)
from invoker.automatic_messages.errors import (
    DefaultTextError,
    InvalidError,
    LimitError,
    TakenError,
)
from invoker.models import AutomaticMessage, AutomaticText, ControllerBot
from invoker.models.accounts import MOST_RETRIES, SKILL_ID_LENGTH

logger = logging.getLogger(__name__)

MAX_LANGUAGES = 40
MAX_SKILLS = 200
MAX_NICKNAME = 60
BOT_SETTINGS = {
    "platform_retries": "Retries when Houston could not run the function",
    "function_retries": "Retries when the function failed or ran out of time",
    "agent_nickname": "Agents without a nickname",
    "welcomes_after_auto_close": "Welcome consumers after an automatic close",
}
"""Settings of a controller bot as the audit log calls them."""
_SKILL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*|-1")


def check_skill(skill_id: str) -> str:
    """The id of a skill as it is kept.

    Raises:
        InvalidError: no platform has such ids.
    """
    skill = skill_id.strip()
    if len(skill) > SKILL_ID_LENGTH or not _SKILL.fullmatch(skill):
        raise InvalidError(
            f'Cannot use skill "{skill[:60]}": enter its id, at most {SKILL_ID_LENGTH} letters, '
            "digits, and _ . : -",
            field="skill",
        )
    return skill


def check_language(language: str) -> str:
    """A language tag as it is kept.

    Raises:
        InvalidError: it is none.
    """
    tag = wording.normalize_language(language)
    if not tag:
        raise InvalidError(
            f'Cannot use the language "{language.strip()[:40]}": enter a tag such as de or en-US',
            field="language",
        )
    return tag


def check_text(text: str) -> str:
    """A text as it is kept: with plain line breaks, without blanks around it.

    Raises:
        InvalidError: it cannot be sent.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(plain) > wording.MAX_TEXT:
        raise InvalidError(
            f"Cannot use a text of {len(plain):,} characters: shorten it to {wording.MAX_TEXT:,}",
            field="text",
        )
    if any(each == "\0" or "\ud800" <= each <= "\udfff" for each in plain):
        raise InvalidError(
            "Cannot use this text: it holds a character that is none, remove it", field="text"
        )
    return plain


def switch(message: AutomaticMessage, *, enabled: bool, by: str) -> None:
    """Let the text go out, or not. Functions run all the same."""
    with _changing("message.switched", message, by=by):
        message.enabled = enabled
        message.save(update_fields=["enabled"])
    _log("automatic message switched", message)


def save_texts(
    message: AutomaticMessage, texts: Mapping[str, str], *, default: str, by: str
) -> None:
    """Change the texts of languages that are there, and which one is the default.

    Raises:
        InvalidError: nothing was changed; `field` is `text-<language>`, or `default`.
    """
    plain = {}
    for language, text in texts.items():
        try:
            plain[language] = check_text(text)
        except InvalidError as error:
            raise InvalidError(str(error), field=f"text-{language}") from error
    with _changing("message.saved", message, by=by):
        rows = {row.language: row for row in message.texts.all()}
        if rows and default not in rows:
            raise InvalidError(
                f'Cannot make "{default[:40]}" the default: add a text in it first',
                field="default",
            )
        for language, row in rows.items():
            row.text = plain.get(language, row.text)
            row.is_default = language == default
        # The old default first: there is never a second one.
        for row in sorted(rows.values(), key=lambda each: each.is_default):
            row.save(update_fields=["text", "is_default"])
    _log("automatic texts saved", message)


def add_text(message: AutomaticMessage, language: str, text: str, *, by: str) -> AutomaticText:
    """Add a language. The first one of a message is its default.

    Raises:
        InvalidError, TakenError, LimitError: nothing was added.
    """
    tag, plain = check_language(language), check_text(text)
    there = list(message.texts.values_list("language", flat=True))
    if len(there) >= MAX_LANGUAGES:
        raise LimitError(
            f'Cannot add "{tag}": a message has at most {MAX_LANGUAGES} languages, delete one',
            field="language",
        )
    try:
        with _changing("message.text-added", message, by=by):
            row = message.texts.create(language=tag, text=plain, is_default=not there)
    except IntegrityError as error:
        raise TakenError(
            f'Cannot add "{tag}": this message has a text in it, change that one', field="language"
        ) from error
    _log("automatic text added", message)
    return row


def delete_text(message: AutomaticMessage, language: str, *, by: str) -> None:
    """Take a language away; its speakers get the default text.

    Raises:
        DefaultTextError: it is the default one.
    """
    with _changing("message.text-deleted", message, by=by):
        deleted, _ = message.texts.filter(language=language, is_default=False).delete()
        if not deleted and message.texts.filter(language=language).exists():
            raise DefaultTextError(
                f'Cannot delete "{language}": it is the default, make another language the default '
                "first"
            )
    _log("automatic text deleted", message)


def add_skill(
    account_id: str, subtype: str, *, skill_id: str, language: str, text: str, by: str
) -> AutomaticMessage:
    """Give a skill a text of its own. A blank one only gives it a switch of its own.

    Raises:
        InvalidError, TakenError, LimitError: nothing was added.
    """
    skill, tag, plain = check_skill(skill_id), check_language(language), check_text(text)
    own = AutomaticMessage.objects.filter(account_id=account_id, subtype=subtype)
    if own.exclude(skill_id="").count() >= MAX_SKILLS:
        raise LimitError(
            f'Cannot add skill "{skill}": at most {MAX_SKILLS} have their own, delete one',
            field="skill",
        )
    taken = TakenError(
        f'Cannot add skill "{skill}": it has its own message, change that one', field="skill"
    )
    try:
        with history.changing("message.added", account_id, subtype, skill_id=skill, by=by):
            message, _ = own.get_or_create(
                skill_id=skill, defaults={"account_id": account_id, "subtype": subtype}
            )
            if message.texts.exists():
                raise taken
            message.texts.create(language=tag, text=plain, is_default=True)
    except IntegrityError as error:
        # Somebody else added it between the look and the write.
        raise taken from error
    _log("automatic message added", message)
    return message


def delete_skill(message: AutomaticMessage, *, by: str) -> None:
    """Let a skill share the account's text and switch again. Its idle time stays."""
    with _changing("message.deleted", message, by=by):
        message.texts.all().delete()
        message.enabled = True
        message.save(update_fields=["enabled"])
        _drop_if_empty(message)
    _log("automatic message deleted", message)


def reset(message: AutomaticMessage, *, by: str) -> None:
    """Give the account's message back the text that Houston ships. Its idle time stays."""
    with _changing("message.reset", message, by=by):
        message.texts.all().delete()
        message.texts.create(
            language=DEFAULT_LANGUAGE, text=DEFAULT_TEXTS.get(message.subtype, ""), is_default=True
        )
        message.enabled = message.subtype not in SWITCHED_OFF_AT_FIRST
        message.save(update_fields=["enabled"])
    _log("automatic message reset", message)


def save_timer(
    account_id: str,
    subtype: str,
    *,
    skill_id: str,
    timer_s: int | None,
    repeats: int | None,
    by: str,
) -> None:
    """Set after how long an idle event happens, and how often. None takes the level above.

    Raises:
        InvalidError, LimitError: nothing was changed.
    """
    if subtype not in IDLE_DEFAULTS:
        raise InvalidError(f'Cannot time "{subtype[:60]}": it is no idle event')
    timers.check(timer_s, repeats)
    skill = check_skill(skill_id) if skill_id else ""
    own = AutomaticMessage.objects.filter(account_id=account_id, subtype=subtype)
    others = own.exclude(skill_id__in=["", skill])
    if skill and timer_s is not None and others.count() >= MAX_SKILLS:
        raise LimitError(
            f'Cannot set the idle time of skill "{skill}": at most {MAX_SKILLS} have their own, '
            "delete one",
            field="skill",
        )
    with history.changing("idle-time.saved", account_id, subtype, skill_id=skill, by=by):
        message, _ = own.update_or_create(
            skill_id=skill,
            defaults={"timer_s": timer_s, "repeats": repeats},
            create_defaults={
                "account_id": account_id,
                "subtype": subtype,
                "timer_s": timer_s,
                "repeats": repeats,
            },
        )
        _drop_if_empty(message)
    _log("idle time saved", message)


def save_bot(
    account_id: str,
    *,
    platform_retries: int,
    function_retries: int,
    agent_nickname: str,
    welcomes_after_auto_close: bool,
    by: str,
) -> None:
    """Change how the controller bot works for an account, see `ControllerBot`.

    Raises:
        InvalidError: nothing was changed.
    """
    for field, count in (
        ("platform_retries", platform_retries),
        ("function_retries", function_retries),
    ):
        if not 0 <= count <= MOST_RETRIES:
            raise InvalidError(
                f"Cannot try {count} times again: enter a number from 0 to {MOST_RETRIES}",
                field=field,
            )
    nickname = agent_nickname.strip()
    if not nickname or len(nickname) > MAX_NICKNAME or not nickname.isprintable():
        raise InvalidError(
            f'Cannot call agents "{nickname[:60]}": enter 1 to {MAX_NICKNAME} characters',
            field="agent_nickname",
        )
    wanted = {
        "platform_retries": platform_retries,
        "function_retries": function_retries,
        "agent_nickname": nickname,
        "welcomes_after_auto_close": welcomes_after_auto_close,
    }
    with transaction.atomic():
        bot = ControllerBot.objects.filter(pk=account_id)
        before = bot.values(*wanted).first()
        bot.update(**wanted)
        if before:
            audit.record(
                account_id,
                "bot.saved",
                "the controller bot",
                by=by,
                before={BOT_SETTINGS[name]: value for name, value in before.items()},
                after={BOT_SETTINGS[name]: value for name, value in wanted.items()},
            )
    logger.info("controller bot settings saved", extra={"account_id": account_id})


def message_of(account_id: str, subtype: str, *, skill_id: str = "") -> AutomaticMessage:
    """The row of a sub-type, made where the account has none yet.

    Raises:
        AutomaticMessage.DoesNotExist: the skill has none, or there is no such sub-type.
    """
    own = AutomaticMessage.objects.filter(account_id=account_id, subtype=subtype)
    if skill_id or subtype not in SUBTYPES:
        return own.exclude(skill_id="").get(skill_id=skill_id)
    return own.get_or_create(skill_id="", defaults={"account_id": account_id, "subtype": subtype})[
        0
    ]


def _drop_if_empty(message: AutomaticMessage) -> None:
    """Delete a skill's row that sets nothing."""
    sets_time = message.timer_s is not None or message.repeats is not None
    if message.skill_id and message.enabled and not sets_time and not message.texts.exists():
        message.delete()


def _changing(action: str, message: AutomaticMessage, *, by: str) -> AbstractContextManager[None]:
    return history.changing(
        action, message.account_id, message.subtype, skill_id=message.skill_id, by=by
    )


def _log(what: str, message: AutomaticMessage) -> None:
    logger.info(what, extra={"account_id": message.account_id, "subtype": message.subtype})
