"""Differences: what stands beside what, and that none takes for ever."""

import pytest

from functions.scenarios import Expected, comparing
from functions.scenarios.documents import Message

NAMES = ("CONV_AWAITING_IN_QUEUE", "BACK_TO_QUEUE")


def an_event(name: str = NAMES[0], text: str = "Hi") -> Expected:
    return Expected(event=name, commands=(Message(text=text),))


def marks(expected: list[Expected], came: list[Expected]) -> str:
    """One letter for each line, those of one event together."""
    found = comparing.difference(expected, came)
    return "".join(line.mark for line in found if "event:" in line.text)


@pytest.mark.parametrize(
    ("expected", "came", "said"),
    [
        ("", "", ""),
        ("a", "a", ""),
        ("", "a", "+"),
        ("a", "", "-"),
        ("ab", "a", " -"),
        ("ab", "b", "- "),
        ("ba", "ab", "+ -"),
        ("aab", "ab", " - "),
        ("aba", "abba", "  + "),
        ("a" * 300, "b" * 300, "-" * 300 + "+" * 300),
        ("a" + "ab" * 300, "a" + "ba" * 300, " " + "-" * 600 + "+" * 600),
    ],
)
def test_events_stand_beside_each_other_by_their_names(expected, came, said):
    old, new = ([an_event(NAMES[letter == "b"]) for letter in word] for word in (expected, came))

    assert marks(old, new) == said


def test_as_many_events_as_may_come_are_compared():
    old, new = [an_event(text="a")] * 1_000, [an_event(text="b")] * 1_000

    found = comparing.difference(old, new)

    assert [line.mark for line in found] == [" ", " ", " ", "-", "+"] * 1_000


@pytest.mark.parametrize("old", ["word " * 1_000, "word\n" * 1_000])
@pytest.mark.parametrize("new", ["wird " * 50_000, "wird\n" * 50_000])
def test_long_texts_are_compared_as_far_as_a_file_could_hold_them(old, new):
    found = comparing.difference([an_event(text=old)], [an_event(text=new)])

    assert "250,000 characters" in " ".join(line.text.strip() for line in found)
    assert len(found) < 2_500


def test_text_that_is_longer_than_a_file_may_hold_is_not_taken_for_its_beginning():
    old, new = an_event(text="x" * 5_000), an_event(text="x" * 7_000)

    assert comparing.difference([old], [new]) != ()
