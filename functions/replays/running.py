"""Versions run on events in a few warm sandboxes at once, as long as a slice may take."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections

from functions.models import Function
from functions.replays.choosing import Version
from functions.replays.sides import Side
from invoker import rehearsal, runtime
from invoker.models import Event

RUN_S = 5.0
"""A function has one second; whoever needs more than five is not waited for."""
WAIT_S = 3.0
"""For a free sandbox."""
AT_ONCE = 3
MOST_TIMEOUTS = 3
"""Runs of one replay that take too long, or find no sandbox."""
_TIRING = (runtime.Outcome.TIMEOUT, runtime.Outcome.PLATFORM_FAILURE)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a version just gave, and what it asked for that a rehearsal answers in its own way."""

    version: Version
    result: runtime.Result
    marks: frozenset[rehearsal.Mark]


@dataclass(slots=True)
class Job:
    """What the sandbox does for one event, None for the sample.

    `version` runs, and `other` before it where that is what it is compared with, in place of what
    was `recorded`. `now` and `then` are what they gave.
    """

    event: Event | None
    document: Any
    function: Function
    version: Version
    recorded: Side | None = None
    other: Version | None = None
    now: Ran | None = None
    then: Ran | None = None


class Stage:
    """The sandboxes of one slice. `failed` counts the runs that nobody waits for much longer."""

    def __init__(
        self, key: Callable[[], str], *, network: bool, ends_at: float, failed: int
    ) -> None:
        self.failed = failed
        self._key = key
        self._network = network
        self._ends_at = ends_at
        self._programs: dict[tuple[object, str], runtime.Program] = {}

    @property
    def late(self) -> bool:
        return time.monotonic() > self._ends_at

    @property
    def tired(self) -> bool:
        return self.failed >= MOST_TIMEOUTS

    def run(self, jobs: Sequence[Job]) -> None:
        """Run them, the first ones first; what is not begun in time has no `now`.

        One is begun however late it is, so that every slice gets on.
        """
        for job in jobs:
            # Here, where one thread asks the database.
            self._program(job.function, job.version)
            if job.other:
                self._program(job.function, job.other)
        waiting = self._hand_out(jobs)
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    job = next(waiting, None)
                if job is None:
                    return
                for ran in self._runs(job):
                    with lock:
                        self.failed += ran.result.outcome in _TIRING

        _side_by_side(work, min(AT_ONCE, len(jobs)))

    def _hand_out(self, jobs: Sequence[Job]) -> Iterator[Job]:
        for number, job in enumerate(jobs):
            if self.tired or (number and self.late):
                return
            yield job

    def _runs(self, job: Job) -> Iterator[Ran]:
        if job.other:
            job.then = self._run(job, job.other)
            yield job.then
        job.now = self._run(job, job.version)
        yield job.now

    def _run(self, job: Job, version: Version) -> Ran:
        platform = self._platform(job.function)
        program = replace(self._program(job.function, version), platform=platform)
        result = runtime.run(program, job.document, timeout_s=RUN_S, wait_s=WAIT_S)
        # What goes round the toolbelt is refused by the sandbox itself.
        if not self._network and result.failure and result.failure.name == "NotCapable":
            platform.marks.add(rehearsal.Mark.NETWORK)
        return Ran(version, result, frozenset(platform.marks))

    def _program(self, function: Function, version: Version) -> runtime.Program:
        name = (function.pk, version.label)
        if name not in self._programs:
            self._programs[name] = rehearsal.program(
                function.account_id,
                function.pk,
                function.name,
                code=version.code,
                environment=version.environment,
                platform=self._platform(function),
                key=self._key(),
            )
        return self._programs[name]

    def _platform(self, function: Function) -> rehearsal.Platform:
        return rehearsal.Platform(function.account_id, function.pk, network=self._network)


def _side_by_side(work: Callable[[], None], count: int) -> None:
    """Let so many threads do it, the one that asks among them."""

    def beside() -> None:
        try:
            work()
        finally:
            # The thread is not Django's, so nobody else closes what it opened.
            connections.close_all()

    if count < 2:  # noqa: PLR2004
        work()
        return
    with ThreadPoolExecutor(count - 1, thread_name_prefix="replay") as threads:
        others = [threads.submit(beside) for _ in range(count - 1)]
        work()
        for each in others:
            each.result()
