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


@dataclass(frozen=True, slots=True)
class VendorCode:
    """`codes` are one for both generations of LivePerson's clients, or one for each."""

    status: str
    codes: tuple[str, ...]
    means: str


def _read(path: Path) -> dict[str, tuple[Code, ...]]:
    groups = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        group: tuple(Code(code, *texts) for code, texts in codes.items())
        for group, codes in groups.items()
    }


CODES = _read(Path(__file__).with_name("codes.toml"))
KNOWN = frozenset(each.code for group in CODES.values() for each in group)
MEANINGS = {each.code: each.means for group in CODES.values() for each in group}


def _read_vendor(path: Path) -> tuple[VendorCode, ...]:
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["codes"]
    return tuple(
        VendorCode(status, tuple(_whole(each) for each in codes), means)
        for status, codes, means in rows
    )


def _whole(code: str) -> str:
    return code if code.startswith("com.") else f"com.liveperson.faas.{code}"


VENDOR_CODES = _read_vendor(Path(__file__).with_name("vendor_codes.toml"))
