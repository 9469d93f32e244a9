"""Differences line by line, without the editor."""

import pytest

from functions.views import differing


def drawn(before, after):
    return [
        (hunk.number, [f"{line.sign}{line.text}" for line in hunk.lines], hunk.left_out)
        for hunk in differing.difference(before, after)
    ]


def numbered(count):
    return [f"line {n}" for n in range(1, count + 1)]


def test_lines_around_a_change_are_shown_with_their_number():
    before = numbered(20)
    after = [*before[:9], "new", *before[10:]]

    [(number, lines, left_out)] = drawn("\n".join(before), "\n".join(after))

    assert (number, left_out) == (7, 0)
    assert lines[:3] == [" line 7", " line 8", " line 9"]
    assert lines[3:5] == ["-line 10", "+new"]
    assert lines[5:] == [" line 11", " line 12", " line 13"]


def test_changes_far_apart_are_hunks_of_their_own():
    before = numbered(40)
    after = ["first", *before[:20], *before[21:]]

    found = drawn("\n".join(before), "\n".join(after))

    assert [(number, len(lines)) for number, lines, _ in found] == [(1, 4), (19, 7)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("a\nb", "a\nb", ""),
        ("", "", ""),
        ("", "a\nb", "+2 lines"),
        ("a\n", "a", "−1 line"),  # noqa: RUF001
        ("a", "", "−1 line"),  # noqa: RUF001
        ("a\nb\nc", "a\nx\ny\nc", "+2 −1 lines"),  # noqa: RUF001
    ],
)
def test_summary_counts_lines(before, after, told):
    assert differing.summary(before, after) == told
    assert bool(differing.difference(before, after)) == bool(told)


def test_long_difference_is_cut_and_says_so():
    [(_, lines, left_out)] = drawn("", "\n".join(numbered(500)))

    assert (len(lines), left_out) == (200, 300)


def test_large_texts_are_not_compared_pair_by_pair():
    before = "\n".join(f"a{n % 7}" for n in range(40_000))
    after = "\n".join(f"b{n % 7}" for n in range(40_000))

    assert differing.summary(before, after) == "+40000 −40000 lines"  # noqa: RUF001
