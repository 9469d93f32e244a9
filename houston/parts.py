"""The processes of `manage.py run`: what each says in one stream, and how the whole ends."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from honcho.manager import Manager
from honcho.printer import Printer


class Parts(Manager):  # type: ignore[misc]
    """Tells an end that somebody asked for from one that a part brought about.

    A service manager starts again what failed. A part that ends by itself fails the whole,
    whatever its own code says.

    `loop()` runs the commands that `add_process` was given until the end of the last; after it
    `exit_code()` is what the whole ends with.
    """

    def __init__(self, printer: Printer) -> None:
        super().__init__(printer)
        self._is_asked_to_end = False
        self._ended_first = ""

    def loop(self) -> None:
        super().loop()
        if not self._is_asked_to_end:
            self._system_print(f"Houston ends because {self._ended_first} ended\n")

    def terminate(self) -> None:
        if not self._all_started():
            # Who has no pid yet could not be ended. The loop asks again when all have one.
            return
        if not self._ended_first:
            stopped = (name for name, one in self._processes.items() if "returncode" in one)
            self._ended_first = next(stopped, "")
        super().terminate()

    def exit_code(self) -> int:
        """0 after Ctrl-C, which is how this command ends, not a failure of it."""
        return 0 if self._is_asked_to_end else self.returncode or 1

    def _any_stopped(self) -> bool:
        return self._is_asked_to_end or super()._any_stopped()

    def _start(self) -> None:
        # Its own codes would not do: a part that hears the same signal may be the first to end.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._noting(signal.getsignal(number)))
        super()._start()

    def _noting(self, handler: Any) -> Callable[[int, FrameType | None], None]:
        def noted(number: int, frame: FrameType | None) -> None:
            self._is_asked_to_end = True
            handler(number, frame)

        return noted
