"""One world for all attacks, and a table at the end of what became of each."""

import os
from collections.abc import Iterator

import pytest

from tests import namespace
from tests.attacks import arena as arenas
from tests.attacks.arena import Arena
from tests.namespace import World

OUTCOMES: dict[tuple[str, str], dict[str, str]] = {}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with namespace.world(wait_s=20) as found:
        arenas.plant(found.directory)
        yield found
        del os.environ["HOUSTON_CANARY"]


@pytest.fixture(params=arenas.LAYERS)
def arena(request: pytest.FixtureRequest, world: World) -> Iterator[Arena]:
    """Once with all layers, once with what needs nothing of the kernel."""
    yield from _fought(request, Arena(world, arenas.LAYERS[request.param]), request.param)


@pytest.fixture
def whole_arena(request: pytest.FixtureRequest, world: World) -> Iterator[Arena]:
    """With all layers only."""
    yield from _fought(request, Arena(world, namespace.ALL_LAYERS), "all layers")


def _fought(request: pytest.FixtureRequest, arena: Arena, layers: str) -> Iterator[Arena]:
    yield arena
    test, _, rest = request.node.name.partition("[")
    name = rest.rstrip("]").replace(f"{layers}-", "").replace(f"-{layers}", "")
    name = test.removeprefix("test_").replace("_", " ") + (f": {name}" if name != layers else "")
    module = request.module.__name__.rpartition("_")[2]
    for attack, word in (arena.words or {"": arena.word}).items():
        told = f"{name}: {attack}" if attack else name
        OUTCOMES.setdefault((module, told), {})[layers] = word
    arena.check()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not OUTCOMES:
        return
    terminalreporter.section("attacks")
    for (module, name), words in sorted(OUTCOMES.items()):
        told = ", ".join(sorted(set(words.values())))
        if len(set(words.values())) > 1:
            told = ", ".join(f"{layers}: {word}" for layers, word in sorted(words.items()))
        terminalreporter.write_line(f"{module:<10} {name[:90]:<90} {told}")
