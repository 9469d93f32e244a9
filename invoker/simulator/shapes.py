"""What the simulated platform knows of a conversation, and what an act leads to. No rules."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from invoker.conversations import NO_SKILL

USUAL_TTR_S: Final = 600


class Person(msgspec.Struct, frozen=True):
    id: str
    name: str
    role: str
    suggested: bool = False


class Scene(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One conversation as its platform sees it. Times are epoch milliseconds by its clock."""

    conv_id: str
    state: str = "OPEN"
    stage: str = "OPEN"
    skill_id: str = NO_SKILL
    people: tuple[Person, ...] = ()
    first_time: bool = False
    authenticated: bool = False
    language: str = "en-US"
    campaign_id: str = ""
    engagement_id: str = ""
    start_ms: int
    updated_ms: int = 0
    end_ms: int = 0
    closed_by: str = ""
    ttr_type: str = "NORMAL"
    ttr_s: int = USUAL_TTR_S
    manual_ettr_ms: int = 0
    answer_due_ms: int = -1
    """When the consumer may expect an answer; -1: nothing waits for one."""
    survey: str = ""
    """`OPEN` or `CLOSE`; empty where there is none."""
    next_sequence: int = 0
    last_line: dict[str, Any] | None = None

    @property
    def consumer(self) -> Person:
        """Who began the conversation."""
        return next(each for each in self.people if each.role == "CONSUMER")

    @property
    def assigned(self) -> Person | None:
        found = (each for each in self.people if each.role == "ASSIGNED_AGENT")
        return next((each for each in found if not each.suggested), None)


class NewLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line for the panes. `role` is empty for a remark of the platform itself."""

    text: str
    role: str = ""
    author: str = ""
    private: bool = False


class Played(msgspec.Struct, frozen=True):
    """What an act leads to: the scene after it, lines to read, and notifications in their order."""

    scene: Scene
    lines: tuple[NewLine, ...]
    notifications: tuple[dict[str, Any], ...]
