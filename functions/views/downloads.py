"""Rows as a file: written while they are read, and harmless in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

# Each piece is sent by itself: the first ones soon, and not every row in a packet of its own.
ROWS_IN_A_PIECE: Final = 200

# What a spreadsheet would run. Source: OWASP, "CSV Injection".
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


class _Echo:
    """Gives back what a writer would write to a file."""

    def write(self, line: str) -> str:
        return line


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Pieces of CSV. A cell that a spreadsheet would take for a formula begins with a quote."""
    writer = csv.writer(_Echo())
    yield writer.writerow(header)
    lines = (writer.writerow([_harmless(cell) for cell in row]) for row in rows)
    while piece := "".join(islice(lines, ROWS_IN_A_PIECE)):
        yield piece


def _harmless(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
