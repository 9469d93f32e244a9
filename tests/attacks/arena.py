"""Where attacks happen: a world, a canary in it, neighbours, and what must be true afterwards."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from invoker.runtime import Result
from tests.namespace import ALL_LAYERS, World

CANARY = "canary-5f1d7c"  # in a file and in the environment of the supervisor
WITHOUT_KERNEL = frozenset({"no_new_privs", "rlimits"})
LAYERS = {"all layers": ALL_LAYERS, "Deno and rlimits": WITHOUT_KERNEL}
ENDS_WITHIN_S = 5.0
NEIGHBOUR = "function lambda(input, callback) { callback(null, [input, typeof globalThis.left]); }"
# An expression is tried; what it gives is shown in full, so that no canary can hide in it.
PROBE = """const D = globalThis.Deno;
const canary = process.env.CANARY_FILE;
const core = D[D.internal].core;
const node = (name) => import("node:" + name);
function show(value) {
  if (value instanceof Uint8Array) value = new TextDecoder().decode(value);
  try {
    return (typeof value === "string" ? value : JSON.stringify(value) ?? String(value)).slice(-9e4);
  } catch (error) {
    return "cannot be shown";
  }
}
async function lambda(input) {
  try {
    return { reached: show(await (async () => { %s })()) };
  } catch (error) {
    const code = error?.code ?? error?.cause?.code;
    return { error: error?.name ?? String(error), message: String(error?.message), code };
  }
}"""


class Arena:
    """Attacks of one test, all by functions of the account "attacker"."""

    def __init__(self, world: World, layers: frozenset[str]) -> None:
        self.world = world
        self.layers = layers
        self.word = "?"  # what became of the attack, for the table
        self.words: dict[str, str] = {}  # the same, of several
        self.message = ""  # of the last failure of a run
        self.may_touch: set[tuple[str, int]] = set()  # addresses and ports
        self.may_ask: set[str] = set()  # names
        self.events = 0
        world.forget()
        self._neighbour()
        self.supervisor = world.pool(layers).report().supervisor_pid
        self._files = self._listing()

    def run(self, source: str, event: Any = None, **program: Any) -> Result:
        """Run an attack. `program` is what `World.run` takes."""
        environment = {"CANARY_FILE": str(self._file), **program.pop("environment", {})}
        result = self.world.run(
            source,
            event,
            layers=self.layers,
            environment=environment,
            **{"account_id": "attacker", "timeout_s": 5.0, **program},
        )
        self.word = result.failure.code if result.failure else "ran"
        self.message = result.failure.message if result.failure else ""
        said = msgspec.json.encode([result.value, result.logs]).decode()
        said += json.dumps(asdict(result.failure)) if result.failure else ""
        assert CANARY not in said, "the canary was read"
        return result

    def probe(self, code: str, **program: Any) -> str:
        """The name of the error that code throws, or what it returns after "reached: "."""
        result = self.run(PROBE % code, **program)
        if result.failure is not None:
            return f"ended: {result.failure.code}"
        if "error" in result.value:
            self.word = result.value["error"]
            return str(self.word)
        self.word = "reached"
        return f"reached: {result.value['reached']}"

    def check(self) -> None:
        """What must be true whatever was tried."""
        self._neighbour()
        assert self.world.pool(self.layers).report().supervisor_pid == self.supervisor
        assert set(self.world.connections()) <= self.may_touch
        assert set(self.world.dns_queries()) <= self.may_ask
        assert self._file.read_text() == CANARY
        assert self._listing() == self._files
        self._await_nothing_left()

    @property
    def _file(self) -> Path:
        return self.world.directory / "canary"

    def _listing(self) -> list[str]:
        """Where a sandbox with root's rights, if it had them, would leave something."""
        places = (self.world.directory, Path("/tmp"))  # noqa: S108
        return sorted(
            str(one) for place in places for one in place.iterdir() if "attack" in one.name
        )

    def _neighbour(self) -> None:
        result = self.world.run(
            NEIGHBOUR, 7, key="neighbour", account_id="neighbour", layers=self.layers
        )
        assert result.value == [7, "undefined"], result

    def _await_nothing_left(self) -> None:
        ends_at = time.monotonic() + ENDS_WITHIN_S
        while left := self._left():
            assert time.monotonic() < ends_at, f"processes are left: {left}"
            time.sleep(0.02)

    def _left(self) -> set[int]:
        """Processes inside that are no supervisor, no child of one, or not accounted for."""
        accounted: set[int] = set()
        supervisors = set()
        for pool in list(self.world._pools.values()):
            report = pool.report()
            own = set(children(report.supervisor_pid))
            if len(own) > report.instances + report.stems:
                return own
            supervisors.add(report.supervisor_pid)
            accounted |= own
        return self.world.processes() - supervisors - accounted


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def plant(directory: Path) -> None:
    """Put the canary where attacks look for it. Call it before a supervisor starts."""
    (directory / "canary").write_text(CANARY)
    os.environ["HOUSTON_CANARY"] = CANARY
