"""How two drafts differ beside their code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """How one environment variable differs; None where it is missing."""

    name: str
    before: str | None
    after: str | None


def compare_variables(before: dict[str, str], after: dict[str, str]) -> list[Change]:
    """The variables that differ, by name."""
    names = sorted(before.keys() | after.keys())
    changes = [Change(name, before.get(name), after.get(name)) for name in names]
    return [change for change in changes if change.before != change.after]


def merge_variables(
    base: dict[str, str], theirs: dict[str, str], mine: dict[str, str]
) -> dict[str, str]:
    """Mine, with what they changed and I did not."""
    names = [*mine, *(name for name in theirs if name not in mine)]
    merged: dict[str, str] = {}
    for name in names:
        untouched = mine.get(name) == base.get(name)
        value = theirs.get(name) if untouched else mine.get(name)
        if value is not None:
            merged[name] = value
    return merged


def merge_text(base: str, theirs: str, mine: str) -> str:
    """Mine, or theirs where I changed nothing."""
    return theirs if mine == base else mine
