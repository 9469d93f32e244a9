import datetime as dt
from types import SimpleNamespace

import pytest
import time_machine
from django import forms
from django.utils import timezone

from houston.templatetags import ui

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (0, "just now"),
        (4, "just now"),
        (5, "5 s ago"),
        (119, "1 min ago"),
        (7200, "2 h ago"),
        (3 * 86_400, "3 d ago"),
        (9 * 86_400, "2026-03-01"),
        (-60, "2026-03-10 12:01"),
    ],
)
def test_relative_says_a_time_as_people_do(age_s, said):
    with time_machine.travel(NOW, tick=False):
        assert ui.relative(timezone.now() - dt.timedelta(seconds=age_s)) == said


def test_ago_holds_the_exact_time_in_utc():
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=1)))

    assert ui.ago(moment) == (
        '<time datetime="2026-01-02T02:04:05+00:00" title="2026-01-02 02:04:05 UTC" data-ago>'
        "2026-01-02</time>"
    )
    assert ui.ago(None) == ""


def test_exact_holds_how_long_ago_it_was():
    with time_machine.travel(NOW, tick=False):
        said = ui.exact(timezone.now() - dt.timedelta(minutes=2))

    assert said == (
        '<time datetime="2026-03-10T11:58:00+00:00" title="2 min ago">'
        "2026-03-10 11:58:00 UTC</time>"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.66, "0.7 ms"),
        (84.4, "84 ms"),
        (1250, "1.25 s"),
        (125_000, "2 min 5 s"),
    ],
)
def test_ms_says_a_duration_with_its_unit(value, said):
    assert ui.ms(value) == said


def test_middle_keeps_the_beginning_and_the_end():
    assert ui.middle("0123456789", 10) == "0123456789"
    assert ui.middle("0123456789a", 10) == "01234…789a"


def test_badge_escapes_what_it_shows():
    assert ui.badge("<", "<b>") == '<span class="badge" data-state="&lt;">&lt;b&gt;</span>'


def test_built_is_empty_where_the_editor_was_not_built(settings):
    found = ui.built("editor/editor.js")
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

    assert (found, ui.built("editor/editor.js")) == ("/static/editor/editor.js", "")


def test_pretty_keeps_short_values_on_one_line():
    assert ui.pretty({"a": 1}) == '{"a": 1}'
    assert ui.pretty(list(range(30))).count("\n") == 31


def test_chart_rows_hold_what_is_drawn_and_what_is_read():
    moment = SimpleNamespace(starts_at=NOW, label="12:00", url="/x?a=1&b=2", values=[1234, None])
    durations = SimpleNamespace(starts_at=NOW, label="12:00", url="/x", values=[1234.567])

    row, durations_row = ui.chart_rows([moment]), ui.chart_rows([durations], "ms")

    assert '<a href="/x?a=1&amp;b=2"><time datetime="2026-03-10T12:00:00+00:00"' in row
    assert row.endswith(
        '<td class="number" data-value="1234">1,234</td><td class="number"></td></tr>'
    )
    assert '<td class="number" data-value="1234.57">1.23 s</td>' in durations_row


class AskForm(forms.Form):
    name = forms.CharField(help_text="Letters & digits")


def test_field_ties_label_help_and_error_to_its_input():
    form = AskForm({"name": ""})
    form.is_valid()

    shown = form["name"].as_field_group()

    assert '<label for="id_name">Name</label>' in shown
    assert 'aria-invalid="true"' in shown
    assert 'aria-describedby="id_name_helptext id_name_error"' in shown
    assert 'id="id_name_helptext">Letters &amp; digits</div>' in shown
    assert 'id="id_name_error"' in shown


def test_difference_tells_lines_apart_and_leaves_out_what_is_far_from_them():
    before = "\n".join(str(line) for line in range(20))
    after = before.replace("10", "ten")

    lines = ui.difference(before, after)

    assert lines[0] == ("gap", "⋯", "")
    assert lines[4:6] == [("removed", "-", "10"), ("added", "+", "ten")]
    assert lines[-1] == ("same", " ", "13")
    assert ui.difference(before, before) == []
    assert ui.difference(before, "\n" * 3000) == []
