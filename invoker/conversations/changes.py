"""The changes a notification is made of, in one form for every platform and dialect."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from invoker.events import CampaignInfo, Participant, Ttr

NO_SKILL: Final = "-1"

REMEMBERED: Final = 100
"""Most dialogs, or keys of one moment, kept per conversation: a flood must not grow its row."""

# 2**53 - 1 is the largest number JavaScript keeps exact; -1 is the platform's "none".
# The last second of year 9999: later ones no clock of ours can show.
Millis = Annotated[int, Meta(ge=-1, le=253_402_300_799_000)]
Seconds = Annotated[int, Meta(ge=-1, le=2**53 - 1)]
Sequence = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=1024)]
LooseId = Text | Annotated[int, Meta(ge=-(2**53), le=2**53)] | None
"""Ids that some producers send as numbers."""


class ClientProperties(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    type: Text | None = None
    app_id: LooseId = None
    ip_address: Text | None = None
    device_family: Text | None = None
    os: Text | None = None
    os_version: LooseId = None
    integration: Text | None = None
    integration_version: LooseId = None
    browser: Text | None = None
    browser_version: LooseId = None
    time_zone: Text | None = None
    features: Annotated[tuple[Text, ...], Meta(max_length=REMEMBERED)] | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the consumer is: channel, language, device."""

    type: Text | None = None
    lang: Text | None = None
    visitor_id: LooseId = None
    session_id: LooseId = None
    interaction_context_id: LooseId = None
    client_properties: ClientProperties | None = None


class DialogParticipant(msgspec.Struct, frozen=True, kw_only=True):
    id: Identifier
    role: Text
    state: Text | None = None


class Dialog(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    dialog_id: Identifier
    participants_details: (
        Annotated[tuple[DialogParticipant, ...], Meta(max_length=REMEMBERED)] | None
    ) = None
    dialog_type: Text | None = None
    channel_type: Text | None = None
    meta_data: dict[str, Any] | None = None
    state: Text | None = None
    creation_ts: Millis | None = None
    end_ts: Millis | None = None
    meta_data_last_update_ts: Millis | None = None
    closed_by: Text | None = None
    closed_cause: Text | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """One message somebody wrote; its text is of no concern here."""

    dialog_id: str
    sequence: int
    ts_ms: int
    originator_id: str | None
    originator_pid: str | None
    role: str
    """Empty when the platform does not say."""
    private: bool
    """A note among staff, which the consumer never sees."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag="conversation"):
    """A conversation as one notification shows it. None: the notification does not say."""

    state: str
    stage: str | None
    skill_id: str | None
    brand_id: str | None
    participants: tuple[Participant, ...] | None
    suggested: tuple[Participant, ...] | None
    dialogs: tuple[Dialog, ...] | None
    ttr: Ttr | None
    manual_ettr: int
    effective_ttr: int | None
    start_ts: int | None
    end_ts: int | None
    close_reason: str | None
    first_conversation: bool | None
    campaign: CampaignInfo | None
    context: Context | None
    last_line: Line | None
    last_content: dict[str, Any] | None
    """The last content event as survey functions receive it."""
    nicknames: dict[str, str] | None = None
    """What people are called, by their id, where the platform says."""
    reopens: bool = False
    """Whether the platform opens closed conversations again, which then count as new ones."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation change, or one message, out of a notification."""

    kind: Literal["conversation", "message"]
    type: Literal["UPSERT", "DELETE"]
    index: int
    """Position in the notification's list of changes, some of which may mean nothing to us."""
    conv_id: str
    dialog_id: str
    ts_ms: int
    key: str
    """Equal for two deliveries of the same change, at most 300 characters."""
    body: Snapshot | Line


def main_dialog(dialogs: tuple[Dialog, ...], conv_id: str | None) -> Dialog | None:
    for dialog in dialogs:
        if dialog.dialog_type == "MAIN" or dialog.dialog_id == conv_id:
            return dialog
    return None


def as_text(value: str | int | None) -> str | None:
    return None if value is None else str(value)
