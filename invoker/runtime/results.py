"""What goes into a run and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

# Of the confinement, beside Deno's own permissions. The first two need nothing of the kernel.
LAYERS = ("no_new_privs", "rlimits", "landlock", "seccomp")
LAST_TIMESTAMP = 253_402_300_799_999  # the end of the year 9999


class Outcome(StrEnum):
    """How a run ended, in the words of the vendor's metrics."""

    SUCCEEDED = "SUCCEEDED"
    CODING_FAILURE = "CODING_FAILURE"
    TIMEOUT = "TIMEOUT"
    PLATFORM_FAILURE = "PLATFORM_FAILURE"
    UNKNOWN = "UNKNOWN"


class CallError(Exception):
    """A call of the platform that was refused; the function gets it as an Error with the code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Platform(Protocol):
    """What a function may ask for beside its event: secrets, other functions, stored context."""

    def answer(self, op: str, arguments: Any) -> Any:
        """A JSON value, or a callable that gives one and runs beside the function.

        Whose function asks is known from the object, never from the arguments, which are a
        stranger's and may be anything.

        Raises:
            CallError: refused.
        """


class NoPlatform:
    """Nothing is there to be asked for, and requests are not counted."""

    def answer(self, op: str, arguments: Any) -> Any:  # noqa: ARG002
        if op == "http.permit":
            return True
        raise CallError("unavailable", f'Cannot answer "{op}": this run has no platform')


@dataclass(frozen=True, slots=True)
class Config:
    """How sandboxes are kept. The same for every process that shares a pool of them.

    `stems` is how many booted processes wait at most for a function, `layers` which parts of the
    confinement are applied (see `runtime.LAYERS`); fewer than all is for tests and development.
    """

    directory: Path
    memory_mb: int = 256
    max_instances: int = 200
    max_instances_per_account: int = 50
    idle_s: float = 600.0
    wait_s: float = 10.0
    log_entries: int = 10
    log_characters: int = 16_384
    result_characters: int = 262_144
    stems: int = 4
    layers: frozenset[str] = frozenset(LAYERS)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    `key` names warm sandboxes: the same key always means the same source, environment, hosts and
    facts. What stands before the last dash is its group, for `retire`. Without a key the run gets
    a sandbox of its own that is thrown away afterwards. `hosts` are the names that the code may
    connect to, on ports 80 and 443; none by default. `facts` are for the toolbelt, `platform`
    answers what it asks.
    """

    source: str
    key: str | None = None
    account_id: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    platform: Platform = field(default_factory=NoPlatform)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One call of `console`. `timestamp` is epoch milliseconds."""

    level: Literal["Debug", "Info", "Warn", "Error"]
    message: str
    extras: list[Any]
    timestamp: Annotated[int, Meta(ge=0, le=LAST_TIMESTAMP)]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run gave no result. `line` and `column` count from 1 in the author's own source.

    Codes: `custom-failure` (the function threw or called back with an error),
    `runtime-exception` (the engine threw), `execution-time-exceeded`, `memory-exceeded`,
    `no-result`, `result-too-large`, `result-not-json`, `process-exit`, `load-failed`, `crashed`,
    `protocol` (the function wrote on the host's channel), `busy`, `unavailable`.
    """

    code: str
    name: str
    message: str
    stack: str = ""
    line: int | None = None
    column: int | None = None


class Result(Struct, frozen=True, gc=False):
    """What came of a run. `duration_ms` is the time the function itself had."""

    outcome: Outcome
    value: Any = None
    logs: tuple[LogEntry, ...] = ()
    dropped_logs: int = 0
    failure: Failure | None = None
    duration_ms: float = 0.0
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a source, found without running it. `severity` is "error" or "warning"."""

    code: str
    message: str
    line: int | None = None
    column: int | None = None
    severity: str = "error"
    endColumn: int | None = None  # noqa: N815  # as the host spells it
    subject: str = ""
    """What it is about: a host, a command, a field."""
    instead: str = ""
    """What was probably meant."""


@dataclass(frozen=True, slots=True)
class About:
    """What a check needs to know of the function besides its source."""

    commands: bool = False
    """Whether the controller bot carries out what it returns."""
    hosts: tuple[str, ...] | None = None
    """What the account allows to connect to, with "*." in front for all below a domain."""


@dataclass(frozen=True, slots=True)
class Report:
    """The sandboxes of this host: which layers of confinement took, and how many there are.

    `instances` counts running and idle ones, `idle` those that wait for anybody's next event,
    `most` is the limit, `stems` are booted processes that belong to no function yet.
    """

    deno: str
    layers: Mapping[str, bool]
    instances: int
    idle: int
    most: int
    stems: int
    supervisor_pid: int
