"""What people do in a simulated conversation. Scenario files hold the same words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from invoker.conversations import NO_SKILL
from invoker.fields import storable

LONGEST_TEXT: Final = 5_000
LONGEST_WAIT_S: Final = 400 * 86_400
LONGEST_RESPONSE_MINUTES: Final = 7 * 24 * 60

Name = Annotated[str, Meta(min_length=1, max_length=40)]
Skill = Annotated[str, Meta(min_length=1, max_length=40)]
Id = Annotated[str, Meta(max_length=40)]
Language = Annotated[str, Meta(max_length=20)]
Words = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]

DEFAULT_CONSUMER: Final = "Sam"
DEFAULT_AGENT: Final = "Kim"


class ActError(Exception):
    """Something that cannot be done in the conversation as it is. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _is_name(value: str) -> bool:
    return value.isprintable() and not value.isspace()


def _is_id(value: str) -> bool:
    return value.isprintable() and " " not in value


def _is_text(value: str) -> bool:
    # Neither can every database keep a NUL, nor any of them half a character.
    return not value.isspace() and storable(value) == value


_RULES: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    **dict.fromkeys(("consumer", "agent", "who"), (_is_name, "characters that can be seen")),
    **dict.fromkeys(("skill", "campaign", "engagement"), (_is_id, "an id without spaces")),
    "language": (
        re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*").fullmatch,
        "a language such as en-US",
    ),
    "text": (_is_text, "text with something to read, without NUL and halves of characters"),
}


class _Act(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", forbid_unknown_fields=True):
    """Fields that have their usual value are left out where an act is written down."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            fits, what = _RULES.get(name, (bool, ""))
            value = getattr(self, name)
            if what and value is not None and not fits(value):
                raise ValueError(f"{name} must be {what}, not {value!r:.60}")


class Start(_Act, frozen=True, tag="start", omit_defaults=True):
    """The consumer opens a conversation with a first line.

    `authenticated` consumers are known by their name: they come back as the same one.
    """

    consumer: Name = DEFAULT_CONSUMER
    first_time: bool = False
    authenticated: bool = False
    language: Language = "en-US"
    skill: Skill = NO_SKILL
    campaign: Id = ""
    engagement: Id = ""
    text: Words = "Hello"


class ConsumerSays(_Act, frozen=True, tag="consumer_says", omit_defaults=True):
    """The consumer writes."""

    text: Words


class AgentSays(_Act, frozen=True, tag="agent_says", omit_defaults=True):
    """The assigned agent writes, or `agent`; a private line is for the staff alone."""

    text: Words
    agent: Name | None = None
    private: bool = False


class Assign(_Act, frozen=True, tag="assign", omit_defaults=True):
    """An agent takes the conversation, from the queue or from whoever had it."""

    agent: Name = DEFAULT_AGENT


class Suggest(_Act, frozen=True, tag="suggest", omit_defaults=True):
    """The conversation is offered to an agent, who has not taken it yet."""

    agent: Name = DEFAULT_AGENT


class Join(_Act, frozen=True, tag="join", omit_defaults=True):
    """Somebody comes in beside those who are there."""

    who: Name
    role: Literal["agent", "manager", "consumer"] = "agent"


class Leave(_Act, frozen=True, tag="leave", omit_defaults=True):
    """Somebody who came in leaves again."""

    who: Name


class BackToQueue(_Act, frozen=True, tag="back_to_queue", omit_defaults=True):
    """The assigned agent gives the conversation back."""


class Urgent(_Act, frozen=True, tag="urgent", omit_defaults=True):
    """The consumer marks the conversation as urgent, or takes that back."""

    on: bool = True


class ResponseTime(_Act, frozen=True, tag="response_time", omit_defaults=True):
    """The agent says within how many minutes there will be an answer."""

    minutes: Annotated[int, Meta(ge=1, le=LONGEST_RESPONSE_MINUTES)]


class Transfer(_Act, frozen=True, tag="transfer", omit_defaults=True):
    """The agent hands the conversation over to another skill."""

    skill: Skill


class SignIn(_Act, frozen=True, tag="sign_in", omit_defaults=True):
    """A consumer whom nobody knew signs in, and goes by another id from then on."""


class Office(_Act, frozen=True, tag="office", omit_defaults=True):
    """Whether this conversation is in off-hours, whatever the account's office hours say."""

    state: Literal["open", "closed", "account"]


class Close(_Act, frozen=True, tag="close", omit_defaults=True):
    """Somebody ends the conversation; with a survey, that begins now."""

    by: Literal["consumer", "agent", "system"] = "agent"
    survey: bool = False


class EndSurvey(_Act, frozen=True, tag="end_survey", omit_defaults=True):
    """The consumer has answered the survey."""


class Wait(_Act, frozen=True, tag="wait", omit_defaults=True):
    """Time passes. What runs out meanwhile does so one after the other."""

    seconds: Annotated[int, Meta(ge=1, le=LONGEST_WAIT_S)]


Act = (
    Start | ConsumerSays | AgentSays | Assign | Suggest | Join | Leave | BackToQueue | Urgent
    | ResponseTime | Transfer | SignIn | Office | Close | EndSurvey | Wait
)  # fmt: skip
ACTS: Final[dict[str, type[Act]]] = {
    str(each.__struct_config__.tag): each
    for each in (
        Start, ConsumerSays, AgentSays, Assign, Suggest, Join, Leave, BackToQueue, Urgent,
        ResponseTime, Transfer, SignIn, Office, Close, EndSurvey, Wait,
    )
}  # fmt: skip


def read(fields: Any) -> Act:
    """Take an act from plain values, such as those of a form or a file.

    Raises:
        ActError: `unknown-act`, or `bad-act` with the field and what it must be.
    """
    word = fields.get("act") if isinstance(fields, dict) else None
    if not isinstance(word, str) or word not in ACTS:
        raise ActError(
            "unknown-act", f"Cannot do {word!r:.60}: it must be one of {', '.join(ACTS)}"
        )
    try:
        act: Act = msgspec.convert(fields, ACTS[word])
    except msgspec.ValidationError as error:
        raise ActError("bad-act", f"Cannot read {word}: {error}") from error
    return act


def write(act: Act) -> dict[str, Any]:
    """An act as plain values, `act` first and without what is as usual."""
    plain: dict[str, Any] = msgspec.to_builtins(act)
    return plain
