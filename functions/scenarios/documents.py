"""What a scenario is: acts with times, and what is expected to come of them.

The structs are the format: what a file may hold is read by them, and the manual's reference is
made of them, their docstrings and their order.
"""

import datetime as dt
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from invoker.simulator import Act
from invoker.simulator.acts import LONGEST_TEXT, Wait

VERSION: Final = 1
MOST_STEPS: Final = 500
LONGEST_FILE: Final = 512 * 1024
"""In characters."""
LONGEST_MS: Final = 400 * 86_400_000
"""Of any duration, and so of the time from the start to the last step."""
DEFAULT_START: Final = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)

Title = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
]
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]
Millis = Annotated[int, Meta(ge=0, le=LONGEST_MS, description="a duration, 0s is never")]


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Fields that have their usual value are left out where a part is written down."""


class Message(_Part, frozen=True, tag_field="type", tag="systemMessage"):
    """A message of the bot.

    `text` is the whole of it, `contains` a part; without either any text will do. `automatic` is
    the account's own message, which no function asked for.
    """

    text: Text | None = None
    contains: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)] | None = None
    automatic: bool = False


class Transfer(_Part, frozen=True, tag_field="type", tag="transfer", rename="camel"):
    """The bot moves the conversation to a skill, proposes an agent, or both."""

    skill_id: Word | None = None
    agent_id: Word | None = None


class Close(_Part, frozen=True, tag_field="type", tag="closeConversation"):
    """The bot closes the conversation."""


Command = Message | Transfer | Close


class Late(_Part, frozen=True):
    """A command that was asked for and came too late to make sense. `reason` is a stable word."""

    type: Literal["systemMessage", "transfer", "closeConversation"]
    reason: Word


class Failed(_Part, frozen=True):
    """The function failed, as the sandbox tells it. Without a `message` any will do."""

    code: Word
    message: Text | None = None


class Expected(_Part, frozen=True):
    """One event and what comes of it.

    `event` is the sub-type, such as `CONSUMER_OPEN_NEW_CONVERSATION`, or the id of the event type
    where it has none. `function` is the one that runs; left out where none does. `commands` are
    those that are carried out, in their order. `stopped` is why the event is not handled at all:
    `loop` where the bot goes in circles.
    """

    event: Word
    function: Word | None = None
    commands: tuple[Command, ...] = ()
    stale: tuple[Late, ...] = ()
    failed: Failed | None = None
    stopped: Word | None = None


class IdleTimes(_Part, frozen=True):
    """After which silence the conversation counts as idle.

    Of the assigned `agent`, of the `consumer`, and in the `queue`. What is left out is as it is
    set for the account.
    """

    agent: Millis | None = None
    consumer: Millis | None = None
    queue: Millis | None = None


class Settings(_Part, frozen=True):
    """What counts in place of the account's own settings.

    What is left out is as the account has it. `automatic_messages` are texts by the sub-type of the
    event; an event that is not among them has none, so that `{}` is none at all.
    """

    office_hours: Literal["open", "closed"] | None = None
    idle_times: IdleTimes | None = None
    automatic_messages: dict[Word, Text] | None = None


class File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What stands in a file.

    `scenario` is the version of the format. `starts_at` is what the clock of the conversation says
    at first. `functions` are templates of the gallery by the id of the event that they listen to;
    where there are any, they alone play, else those of the account do.
    """

    scenario: Literal[1]
    name: Title
    description: Text = ""
    starts_at: Annotated[dt.datetime, Meta(tz=True)] = DEFAULT_START
    functions: dict[str, str] = {}
    settings: Settings | None = None
    steps: Annotated[
        list[dict[str, Any]],
        Meta(min_length=1, max_length=MOST_STEPS, description="a list of steps"),
    ]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody does at `at_ms` milliseconds after the start, and what comes of it.

    `expect` None is not checked; an empty one says that nothing may come.
    """

    at_ms: int
    act: Act
    expect: tuple[Expected, ...] | None = None

    @property
    def ends_ms(self) -> int:
        """When the next step may begin."""
        return self.at_ms + (self.act.seconds * 1000 if isinstance(self.act, Wait) else 0)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario, read: see `File`. `functions` are slugs of templates."""

    name: str
    description: str = ""
    starts_at: dt.datetime = DEFAULT_START
    functions: dict[str, str] = {}
    settings: Settings | None = None
    steps: tuple[Step, ...]
