"""What goes wrong: each fault does its harm, and undoes it where that is anybody's to undo."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import parts
from tests.chaos.keeping import Kept, kill
from tests.chaos.parts import Postgres
from tests.chaos.product import Product, parent_of
from tests.chaos.receiver import Mood, Receiver

# Longer than a lease, so that somebody else has taken over by the time it wakes up.
STOPPED_FOR_S = 13.0
IN_MOOD_S = 3.0
PARTED_FOR_S = 14.0
BETWEEN_S = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """`act` returns when its harm is over; False where there was nothing to harm."""

    name: str
    act: Callable[[random.Random], bool | None]


def of(product: Product, receiver: Receiver) -> list[Fault]:
    """Every fault that this set-up can have."""
    asleep: list[Kept] = []

    def kill_worker(rng: random.Random) -> bool:
        awake = [each for each in product.workers if each not in asleep]
        return bool(awake) and rng.choice(awake).kill()

    def kill_web_child(rng: random.Random) -> bool:
        """One of the web server's processes, as when memory runs out."""
        children = [pid for pid in _pids() if parent_of(pid) == product.web.pid]
        return bool(children) and kill(rng.choice(children))

    def stop_worker(rng: random.Random) -> bool:
        """Not dead, only asleep for longer than its leases."""
        worker = rng.choice(product.workers)
        asleep.append(worker)
        try:
            if not worker.kill(signal.SIGSTOP):
                return False
            time.sleep(STOPPED_FOR_S)
            return worker.kill(signal.SIGCONT)
        finally:
            asleep.remove(worker)

    def kill_supervisor(rng: random.Random) -> bool:
        supervisors = product.supervisors()
        return bool(supervisors) and kill(rng.choice(supervisors))

    def kill_sandbox(rng: random.Random) -> bool:
        sandboxes = product.sandboxes()
        return bool(sandboxes) and kill(rng.choice(sandboxes))

    def in_mood(mood: Mood) -> Callable[[random.Random], None]:
        def act(_: random.Random) -> None:
            with receiver.in_mood(mood):
                time.sleep(IN_MOOD_S)

        return act

    def part(how: str) -> Callable[[random.Random], None]:
        def act(_: random.Random) -> None:
            assert product.partition
            with product.partition(how):
                time.sleep(PARTED_FOR_S)

        return act

    database = product.database
    found = [
        Fault("worker killed", kill_worker),
        Fault("worker stopped 13 s", stop_worker),
        Fault("web killed", lambda _: product.web.kill()),
        Fault("web process killed", kill_web_child),
        Fault("beat killed", lambda _: product.beat.kill()),
        Fault("broker killed", lambda _: product.broker.kept.kill()),
        Fault("broker wiped", lambda _: product.broker.wipe()),
        Fault("broker killed, data gone", lambda _: product.broker.lose()),
        Fault("sandboxes' supervisor killed", kill_supervisor),
        Fault("sandbox killed", kill_sandbox),
        Fault("callbacks answer 500", in_mood(Mood.ERROR)),
        Fault("callbacks hang", in_mood(Mood.HANG)),
        Fault("callbacks reset", in_mood(Mood.RESET)),
        Fault("database cut", lambda _: database.cut()),
    ]
    if isinstance(database, Postgres):
        found += [
            Fault("database killed", lambda _: database.kept.kill()),
            Fault("database crashed", lambda _: database.kill_one()),
        ]
    if database.disk:
        disk = database.disk

        def fill(_: random.Random) -> None:
            with parts.full(disk):
                time.sleep(parts.FULL_FOR_S)

        found.append(Fault("disk full", fill))
    if product.partition:
        found += [
            Fault("host parted: link down", part("down")),
            Fault("host parted: packets lost", part("loss")),
        ]
    return found


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


class Faults:
    """Does one after the other, all of them before any again, in an order that the seed decides.

    Those that last go on while others come; no fault is on twice at a time. Without `shuffled`
    they come in the order of the list.
    """

    def __init__(
        self,
        faults: list[Fault],
        *,
        seed: int,
        every_s: float = BETWEEN_S,
        shuffled: bool = True,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self._faults = faults
        self._rng = random.Random(seed)
        self._shuffled = shuffled
        self._every_s = every_s
        self._stopping = threading.Event()
        self._active: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._go_on, name="faults", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing new, and wait until the harm is over."""
        self._stopping.set()
        self._thread.join()
        for thread in self._active.values():
            thread.join()

    def _go_on(self) -> None:
        bag: list[Fault] = []
        while not self._stopping.wait(self._rng.uniform(0.7, 1.3) * self._every_s):
            if not bag:
                bag = self._faults[::-1]
                if self._shuffled:
                    self._rng.shuffle(bag)
            fault = bag.pop()
            thread = self._active.get(fault.name)
            if thread and thread.is_alive():
                continue
            rng = random.Random(self._rng.random())
            thread = threading.Thread(
                target=self._act, args=(fault, rng), name=fault.name, daemon=True
            )
            self._active[fault.name] = thread
            thread.start()

    def _act(self, fault: Fault, rng: random.Random) -> None:
        try:
            if fault.act(rng) is not False:
                self.done[fault.name] += 1
        except Exception as error:  # noqa: BLE001 -- what it harms may be away already
            self.failed.append(f"{fault.name}: {type(error).__name__}: {error}")
