"""Which text goes out for an event, in which language, and when a conversation counts as idle."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from invoker import statements
from invoker.automatic_messages import wording
from invoker.automatic_messages.defaults import DEFAULT_LANGUAGE, IDLE_DEFAULTS
from invoker.conversations import IdleTimer, IdleTimes
from invoker.models import AutomaticMessage, ControllerBot

Reason = Literal["", "switched-off", "no-text", "response-time-overdue", "no-response-time"]
NO_TEXT: Final = "no-text"
NO_TTR = 0
"""Deadlines up to this one mean that there is none; platforms say -1."""
SECOND_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the placeholders are filled with. Times in epoch milliseconds."""

    now_ms: int
    effective_ttr: int = -1
    """By when the consumer is to have an answer; -1: not known."""
    agent_nickname: str = ""
    """Empty takes the account's own word for its agents."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes out; with an empty `text` nothing does, and the rest says why."""

    text: str
    reason: Reason = ""
    detail: str = ""
    names_response_time: bool = False
    """Whether the text is only true until the response time is over."""


@dataclass(slots=True)
class Level:
    """The texts of one row, the account's or a skill's, by language."""

    enabled: bool
    texts: dict[str, str] = field(default_factory=dict)
    default: str = ""


class Texts(Protocol):
    """Where texts come from."""

    def levels(self, subtype: str, skill_id: str) -> list[tuple[str, Level]]:
        """The skill's own level where there is one, and that of all, by its skill or ""."""

    def nickname(self) -> str:
        """What an agent is called whose name nobody tells."""


@dataclass(frozen=True, slots=True)
class AccountTexts:
    """What an account has set, read when it is asked for."""

    account_id: str

    def levels(self, subtype: str, skill_id: str) -> list[tuple[str, Level]]:
        return _read_levels(self.account_id, subtype, skill_id)

    def nickname(self) -> str:
        return _usual_nickname(self.account_id)


@dataclass(frozen=True, slots=True)
class FixedTexts:
    """A text for some sub-types, the same for every skill and language."""

    texts: Mapping[str, str]
    agent_nickname: str = ""

    def levels(self, subtype: str, skill_id: str) -> list[tuple[str, Level]]:  # noqa: ARG002
        text = self.texts.get(subtype, "")
        return [("", Level(enabled=True, texts={DEFAULT_LANGUAGE: text}))] if text.strip() else []

    def nickname(self) -> str:
        return self.agent_nickname or ControllerBot().agent_nickname


def choose(
    texts: Texts, subtype: str, *, skill_id: str, language: str | None, facts: Facts
) -> Chosen:
    """Choose and fill in the text that goes out for an event.

    The skill's own text comes before the account's, the consumer's language before the default
    one. A skill that is switched off sends nothing; one without a text takes the account's text
    and switch.
    """
    for skill, level in texts.levels(subtype, skill_id):
        if not level.enabled:
            where = f'for skill "{skill}"' if skill else "for the account"
            return Chosen("", "switched-off", f"The automatic message is switched off {where}")
        found = _in_language(level, language)
        if found is not None:
            return _fill(texts, found[0], found[1], facts)
    return Chosen("", NO_TEXT, "The account has no automatic message for this event")


def _read_levels(account_id: str, subtype: str, skill_id: str) -> list[tuple[str, Level]]:
    """The skill's row, where there is one, and the account's, in one query."""
    rows = AutomaticMessage.objects.filter(
        account_id=account_id, subtype=subtype, skill_id__in={"", skill_id}
    ).values_list("skill_id", "enabled", "texts__language", "texts__text", "texts__is_default")
    levels: dict[str, Level] = {}
    for skill, enabled, language, text, is_default in rows:
        level = levels.setdefault(skill, Level(enabled))
        if not text or not text.strip():
            continue
        level.texts[language] = text
        if is_default:
            level.default = language
    return [(skill, levels[skill]) for skill in sorted(levels, reverse=True)]


def _in_language(level: Level, wanted: str | None) -> tuple[str, str] | None:
    """A text and its language; None where the level has no text at all."""
    if not level.texts:
        return None
    language = wording.nearest(level.texts, wanted) or level.default or min(level.texts)
    return level.texts[language], language


def _fill(texts: Texts, text: str, language: str, facts: Facts) -> Chosen:
    left_ms = 0
    names_response_time = wording.RESPONSE_TIME in text
    if names_response_time:
        if facts.effective_ttr <= NO_TTR:
            return Chosen(
                "",
                "no-response-time",
                "The automatic message tells the response time, and none is known",
            )
        left_ms = facts.effective_ttr - facts.now_ms
        if left_ms < SECOND_MS:
            return Chosen(
                "",
                "response-time-overdue",
                "The automatic message tells the response time, and that is over",
            )
    nickname = facts.agent_nickname
    if not nickname and wording.AGENT_NICKNAME in text:
        nickname = texts.nickname()
    return Chosen(
        wording.fill(
            text,
            language=language,
            response_time_s=left_ms // SECOND_MS,
            agent_nickname=nickname,
        ),
        names_response_time=names_response_time,
    )


def _usual_nickname(account_id: str) -> str:
    found = ControllerBot.objects.filter(pk=account_id).values_list("agent_nickname", flat=True)
    return found.first() or ControllerBot().agent_nickname


# Idle times ---------------------------------------------------------------------------------------


def idle_times(account_id: str) -> Callable[[str], IdleTimes]:
    """Read an account's idle times once; what comes back tells those of a skill."""
    rows = statements.values(
        "SELECT subtype, skill_id, timer_s, repeats FROM invoker_automaticmessage"  # noqa: S608  # nosec B608 -- our own names
        f" WHERE account_id = %s AND subtype IN ({statements.marks(IDLE_DEFAULTS)})",
        [account_id, *IDLE_DEFAULTS],
    )
    return resolve_idle_times(rows)


def resolve_idle_times(
    rows: Iterable[tuple[str, str, int | None, int | None]],
) -> Callable[[str], IdleTimes]:
    """Tell the effective timers of skills.

    Args:
        rows: sub-type, skill id ("": the account), seconds and repeats, None where not set.
    """
    settings = {(subtype, skill): (timer_s, repeats) for subtype, skill, timer_s, repeats in rows}

    def timer(subtype: str, skill_id: str) -> IdleTimer:
        usual = IDLE_DEFAULTS[subtype]
        seconds, repeats = None, None
        for skill in (skill_id, ""):
            timer_s, count = settings.get((subtype, skill), (None, None))
            seconds = timer_s if seconds is None else seconds
            repeats = count if repeats is None else repeats
        return IdleTimer(
            usual.seconds if seconds is None else seconds,
            usual.repeats if repeats is None else repeats,
        )

    def of_skill(skill_id: str) -> IdleTimes:
        return IdleTimes(
            agent_non_responsive=timer("AGENT_NON_RESPONSIVE", skill_id),
            consumer_non_responsive=timer("CONSUMER_NON_RESPONSIVE", skill_id),
            conv_awaiting_in_queue=timer("CONV_AWAITING_IN_QUEUE", skill_id),
        )

    return of_skill
