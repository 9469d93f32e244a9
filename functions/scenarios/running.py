"""Runs the functions of a scenario: in real sandboxes, with nothing that leaves or stays."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from functions.scenarios.casting import Player
from invoker import dispatch, rehearsal, runtime
from invoker.models import Event

RUN_S: Final = 5.0
"""A function has one second; whoever needs more than five is not waited for."""
LONGEST_S: Final = 60.0
MOST_TIMEOUTS: Final = 3
STOPPED: Final = "scenario-stopped"
"""Nothing is wrong: somebody did not want to wait any longer."""


class StoppedError(Exception):
    """A scenario that is not played on. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ran:
    result: runtime.Result
    marks: tuple[rehearsal.Mark, ...]


class Runner:
    """Runs one function after the other, for as long as one scenario may take in all."""

    def __init__(
        self,
        account_id: str,
        key: Callable[[], str],
        *,
        network: bool,
        began: float,
        stops: Callable[[], bool],
    ) -> None:
        self._account_id = account_id
        self._new_key = key
        self._keys: dict[uuid.UUID, str] = {}
        self._network = network
        self._ends = began + LONGEST_S
        self._stops = stops
        self._timeouts = 0

    def check_time(self) -> None:
        """Raise StoppedError where the scenario has had its time, or somebody stops it."""
        if self._stops():
            raise StoppedError(STOPPED, "Stopped before its end")
        if time.monotonic() > self._ends:
            raise StoppedError(
                "scenario-too-slow",
                f"Cannot play on: a scenario has {LONGEST_S:.0f} s, look for slow functions, or "
                "split it",
            )

    def run(self, player: Player, event: Event, trace_id: str) -> Ran:
        """Run a function on an event.

        Raises:
            StoppedError: too many have timed out.
        """
        deployment = player.deployment
        platform = rehearsal.Platform(
            self._account_id, deployment.function_id, network=self._network
        )
        if deployment.pk not in self._keys:
            self._keys[deployment.pk] = self._new_key()
        program = rehearsal.program(
            self._account_id,
            deployment.function_id,
            deployment.function_name,
            code=deployment.code,
            environment=deployment.environment,
            platform=platform,
            key=self._keys[deployment.pk],
        )
        timeout_s = min(RUN_S, settings.INVOCATION_TIMEOUT_S)
        result = runtime.run(
            program, dispatch.input_of(event), timeout_s=timeout_s, trace_id=trace_id
        )
        # What goes round the toolbelt is refused by the sandbox itself.
        if result.failure and result.failure.name == "NotCapable":
            platform.marks.add(rehearsal.Mark.NETWORK)
        self._count(player, result)
        return Ran(result, tuple(sorted(platform.marks)))

    def _count(self, player: Player, result: runtime.Result) -> None:
        self._timeouts += result.outcome == runtime.Outcome.TIMEOUT
        if self._timeouts >= MOST_TIMEOUTS:
            raise StoppedError(
                "scenario-timeouts",
                f"Cannot play on: {MOST_TIMEOUTS} runs took more than {RUN_S:g} s, the last one of "
                f'"{player.name}"',
            )
