"""Every code that Houston answers with, its meaning and the way out: `codes.toml`.

A test reads the codes out of the source and fails when one is missing there.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    means: str
    way_out: str


def _read(path: Path) -> dict[str, tuple[Code, ...]]:
    groups = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        group: tuple(Code(code, *texts) for code, texts in codes.items())
        for group, codes in groups.items()
    }


CODES = _read(Path(__file__).with_name("codes.toml"))
KNOWN = frozenset(each.code for group in CODES.values() for each in group)
