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
