"""Which packages functions may require, beside the modules of Node."""

from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).parent / "host" / "bundles" / "dependencies.json"


class Dependency(msgspec.Struct, frozen=True):
    """A package as functions require it. `documentation` is an address on the web, or empty."""

    name: str
    version: str
    documentation: str


@cache
def dependencies() -> tuple[Dependency, ...]:
    """What was bundled when Houston was set up, by name; the same for every function.

    Raises:
        OSError: nothing was bundled yet; `make setup` does it.
    """
    return msgspec.json.decode(FILE.read_bytes(), type=tuple[Dependency, ...])
