"""Functions as files: out, in again, and archives that are broken or made to do harm."""

import io
import json
import random
import stat
import zipfile
from pathlib import Path

import pytest

from functions import exchange, services
from functions.exchange import Folder, Refused, Standing, archives, importing
from functions.models import Function, State, Version
from invoker import audit, events, runtime
from invoker.models import AuditEntry
from tests import factories

# Code that is imported is looked at in the engine that would run it.
pytestmark = pytest.mark.runtime

ACCOUNT = factories.ACCOUNT_ID
NEW_CONVERSATION = events.NEW_CONVERSATION.id
TTR = "controllerbot_messaging_ttr"
TOO_LARGE = "archive-too-large"
LPF = Path(__file__).parent / "lpf"
SOURCE = "function lambda(input, callback) {\n  callback(null, 'new');\n}\n"


def config(**values):
    return json.dumps({"name": "greet", "event": "No Event", "description": "Says", **values})


def packed(files, **options):
    """A zip file; a value may be bytes, text, or a pair of a ZipInfo and content."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def folder(name="greet", **values):
    given = {"description": "Says", "event_type": "", "environment": {}, "code": SOURCE}
    return Folder(name=name, **{"path": f"functions/{name}", **given, **values})


def one(files):
    [found] = exchange.read_archive(packed(files))
    return found


def look(*folders):
    return exchange.compare(ACCOUNT, folders, by="dana")


# Out ----------------------------------------------------------------------------------------------


def test_files_are_those_of_the_command_line():
    code = (LPF / "plain/index.js").read_bytes().decode()

    files = exchange.write(Function(name="plain", description="No event", code=code))

    assert {name: text.encode() for name, text in files.items()} == {
        path.name: path.read_bytes() for path in (LPF / "plain").iterdir()
    }


def test_configuration_holds_the_sample_of_the_event_and_the_variables():
    theirs = json.loads((LPF / "greet/config.json").read_text())
    variables = {each["key"]: each["value"] for each in theirs["environmentVariables"]}

    files = exchange.write(
        Function(
            name="greet",
            description=theirs["description"],
            event_type=NEW_CONVERSATION,
            environment=variables,
        )
    )

    ours = json.loads(files["config.json"])
    assert list(ours) == list(theirs)
    assert ours == {**theirs, "input": events.sample(NEW_CONVERSATION)}


def test_archive_holds_a_folder_for_each_function(account):
    for name in ("one", "two"):
        factories.FunctionFactory(name=name)

    data = exchange.pack(Function.objects.order_by("name"))

    assert sorted(zipfile.ZipFile(io.BytesIO(data)).namelist()) == [
        "functions/one/config.json",
        "functions/one/index.js",
        "functions/two/config.json",
        "functions/two/index.js",
    ]


def test_what_is_exported_makes_the_same_functions_in_another_account(account):
    factories.AccountFactory(id="other1")
    factories.FunctionFactory(
        name="greet",
        event_type=NEW_CONVERSATION,
        skills=["a", "b"],
        environment={"A": "ü\n", "B": ""},
    )
    factories.FunctionFactory(name="plain", code="function lambda(i, cb) {\n  cb(null, '😀')\n}")
    factories.FunctionFactory(name="unfinished", code="function lambda(")
    data = exchange.pack(Function.objects.all())

    found = exchange.read_archive(data)
    chosen = {each.name: each.version for each in exchange.compare("other1", found, by="kim")}
    done = exchange.carry_out("other1", found, chosen, by="kim")

    fields = ("name", "description", "event_type", "skills", "code", "environment")
    there, here = (
        list(Function.objects.filter(account_id=each).order_by("name").values(*fields))
        for each in (ACCOUNT, "other1")
    )
    assert [each.code for each in done] == ["", "", ""]
    assert here == there


# In -----------------------------------------------------------------------------------------------


def test_what_the_command_line_wrote_is_read():
    files = {f"functions/{path.relative_to(LPF)}": path.read_bytes() for path in LPF.glob("*/*")}
    files |= {
        "functions/settings.json": "{}",
        "bin/lp-faas-toolbelt/index.js": "module.exports = {};",
        "node_modules/some/index.js": "",
        "node_modules/some/config.json": "{",
        ".vscode/config.json": "{",
        "__MACOSX/functions/greet/config.json": "\0",
        "functions/.git/config.json": "{",
        "README.md": "# Functions",
    }

    greet, plain = exchange.read_archive(packed(files))

    assert (greet.name, greet.event_type) == ("greet", NEW_CONVERSATION)
    assert greet.environment == {"GREETING": 'Hi "you"\n\u0007 é 😀'}
    assert greet.description == "Grüßt “jeden” \u2028 <b>&"
    assert (plain.name, plain.event_type, plain.environment, plain.skills) == (
        "plain", events.NO_EVENT, {}, None,
    )  # fmt: skip
    assert plain.code == "function lambda(input, callback) {\n  callback(null, 1);\n}"


@pytest.mark.parametrize("place", ["", "greet/", "project/functions/greet/", "functions\\greet\\"])
def test_folder_is_found_wherever_it_is(place):
    found = one({f"{place}index.js": SOURCE, f"{place}config.json": config()})

    assert (found.name, found.code, found.description) == ("greet", SOURCE, "Says")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"environmentVariables": {"A": "1"}}, {"A": "1"}),
        ({"environmentVariables": {"key": "value"}}, {}),
        ({"environmentVariables": {}}, {}),
        ({"environmentVariables": [{"key": "", "value": ""}]}, {}),
        ({"environmentVariables": [{"key": "A", "value": ""}]}, {"A": ""}),
        ({}, None),
    ],
)
def test_variables_are_read_in_both_forms_of_the_command_line(values, expected):
    found = one({"greet/index.js": SOURCE, "greet/config.json": config(**values)})

    assert found.environment == expected


def test_function_without_a_name_of_its_own_has_that_of_its_folder():
    text = json.dumps({"name": None, "event": None, "description": None})

    found = one({"functions/hello/index.js": SOURCE, "functions/hello/config.json": text})

    assert (found.name, found.event_type, found.description) == ("hello", None, None)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"index.js": None}, "file-missing"),
        ({"config.json": None}, "file-missing"),
        ({"index.js": b"\xff\xfe"}, "not-text"),
        ({"index.js": "a\0b"}, "not-text"),
        ({"config.json": b"\xff"}, "not-text"),
        ({"index.js": "x" * 400_001}, "file-too-large"),
        ({"config.json": " " * 600_000}, "file-too-large"),
        ({"config.json": ""}, "invalid-config"),
        ({"config.json": "[]"}, "invalid-config"),
        ({"config.json": "[" * 100_000}, "invalid-config"),
        ({"config.json": '{"input": ' + "[" * 100_000}, "invalid-config"),
        ({"config.json": '{"name": 5}'}, "invalid-config"),
        ({"config.json": config(name="a\0b")}, "invalid-config"),
        ({"config.json": config(description="\0")}, "invalid-config"),
        ({"config.json": config(skills=["\0"])}, "invalid-config"),
        ({"config.json": '{"name": "\\ud800"}'}, "invalid-config"),
        (
            {"config.json": config(environmentVariables=[{"key": "A", "value": 5}])},
            "invalid-config",
        ),
        ({"config.json": config(environmentVariables={"A": "\0"})}, "invalid-config"),
        ({"config.json": config(environmentVariables=[{"key": "A"}] * 2)}, "invalid-config"),
        ({"config.json": config(event="no_such_event")}, "unknown-event"),
    ],
)
def test_folder_that_is_no_function_is_refused_alone(files, code):
    wanted = {"index.js": SOURCE, "config.json": config(), **files}
    broken = {f"functions/greet/{name}": text for name, text in wanted.items() if text is not None}
    good = {"functions/other/index.js": SOURCE, "functions/other/config.json": config(name="other")}

    refused, fine = exchange.read_archive(packed(broken | good))

    assert isinstance(refused, Refused)
    assert (refused.path, refused.error.code) == ("functions/greet", code)
    assert fine.name == "other"


# Archives that do harm ----------------------------------------------------------------------------


GOOD = {"greet/index.js": SOURCE, "greet/config.json": config()}


def linked():
    info = zipfile.ZipInfo("greet/link.js")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return {**GOOD, info: "/etc/passwd"}


def encrypted():
    data = bytearray(packed(GOOD))
    # The flag that an entry is encrypted, in both places that have it.
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        data[place + at] |= 1
    return bytes(data)


def wrong_checksum():
    data = bytearray(packed(GOOD))
    place = data.find(b"PK\x01\x02")
    data[place + 16] ^= 1
    return bytes(data)


def twice():
    data = bytearray(packed({"greet/index.js": "a", "greet/index.jt": "b"}))
    return bytes(data.replace(b"index.jt", b"index.js"))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-an-archive"),
        (b"no zip at all", "not-an-archive"),
        (packed(GOOD)[:-30], "not-an-archive"),
        (wrong_checksum(), "not-an-archive"),
        (twice(), "not-an-archive"),
        (packed(GOOD | {"a.js": "x"}, compresslevel=9)[:60], "not-an-archive"),
        (b"PK\x01\x02" * 5001, "archive-too-many-files"),
        (packed({f"f/{n}.txt": "" for n in range(5001)}), "archive-too-many-files"),
        (
            packed({f"functions/f{n}/index.js": "" for n in range(101)}),
            "archive-too-many-files",
        ),
        (b"x" * (exchange.MAX_ARCHIVE + 1), TOO_LARGE),
        (packed({f"functions/{n}/index.js": "x" * 399_999 for n in range(80)}), TOO_LARGE),
        (encrypted(), "archive-encrypted"),
        (packed({**GOOD, "../evil.js": ""}), "archive-unsafe-path"),
        (packed({**GOOD, "greet/../../evil.js": ""}), "archive-unsafe-path"),
        (packed({**GOOD, "..\\evil.js": ""}), "archive-unsafe-path"),
        (packed({**GOOD, "/etc/cron.d/evil": ""}), "archive-unsafe-path"),
        (packed({**GOOD, "C:\\evil.js": ""}), "archive-unsafe-path"),
        (packed(linked()), "archive-unsafe-path"),
        (packed({}), "archive-without-functions"),
        (packed({"readme.txt": "hello"}), "archive-without-functions"),
    ],
    # Archives hold the time they were made at, which would name the tests anew in each process.
    ids=[str(number) for number in range(20)],
)  # fmt: skip
def test_archive_that_cannot_be_trusted_is_refused_whole(data, code):
    with pytest.raises(exchange.ArchiveError) as refused:
        exchange.read_archive(data)

    assert refused.value.code == code


def test_bomb_is_unpacked_no_further_than_a_file_may_reach():
    found = one(
        {"functions/bomb/index.js": b"0" * 200_000_000, "functions/bomb/config.json": config()}
    )

    assert found.error.code == "file-too-large"


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_a_bound_are_refused(kind):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", kind) as archive:
        archive.writestr("functions/bomb/index.js", b"0" * 1_000_000)

    with pytest.raises(archives.NotAnArchiveError, match="use plain zip"):
        exchange.read_archive(data.getvalue())


def test_damaged_archives_are_refused_whatever_is_damaged():
    chance = random.Random(7)  # noqa: S311 the same damage in every run
    whole = packed(GOOD)

    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            found = exchange.read_archive(bytes(damaged))
        except exchange.ArchiveError:
            continue
        assert all(isinstance(each, Folder | Refused) for each in found)


# Looking ------------------------------------------------------------------------------------------


def test_preview_tells_new_changed_and_unchanged_and_changes_nothing(account):
    factories.FunctionFactory(name="same", description="Says", code=SOURCE)
    factories.FunctionFactory(name="edited", description="Says")

    findings = look(folder("fresh"), folder("same"), folder("edited"))

    assert [(each.name, each.standing, each.version) for each in findings] == [
        ("fresh", Standing.NEW, 0),
        ("same", Standing.UNCHANGED, 1),
        ("edited", Standing.CHANGED, 1),
    ]
    assert Function.objects.get(name="edited").code == factories.SOURCE
    assert (Function.objects.count(), Version.objects.count()) == (2, 2)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "bad-name"}, "invalid"),
        ({"name": ""}, "invalid"),
        ({"name": "x" * 51}, "invalid"),
        ({"description": ""}, "invalid"),
        ({"description": None}, "invalid"),
        ({"description": "x" * 201}, "invalid"),
        ({"code": "x" * 100_001}, "too-long"),
        ({"environment": {"BRAND_ID": "x"}}, "invalid"),
        ({"environment": {"1st": "x"}}, "invalid"),
        ({"environment": {"A": "x" * 1025}}, "invalid"),
        ({"skills": ("a b",), "event_type": TTR}, "invalid"),
        ({"skills": ("a",)}, "invalid"),
        ({"event_type": NEW_CONVERSATION}, "event-taken"),
        ({"name": "taken", "event_type": TTR}, "event-differs"),
        ({"code": "const pad = require('left-pad');\n" + SOURCE}, "unusable-code"),
        ({"code": "function lambda(i, cb) { cb(null, eval('1')); }"}, "unusable-code"),
    ],
)
def test_preview_says_what_would_be_refused(changes, code, account):
    factories.FunctionFactory(name="taken", event_type=NEW_CONVERSATION)

    [finding] = look(folder(**{"name": "greet", **changes}))

    assert (finding.standing, finding.code) == (Standing.REFUSED, code)
    assert finding.reason


def test_preview_says_that_the_account_is_full(account, monkeypatch):
    monkeypatch.setattr(services, "MAX_FUNCTIONS", 1)
    factories.FunctionFactory(name="first")

    [finding] = look(folder("second"))

    assert (finding.standing, finding.code) == (Standing.REFUSED, "limit-reached")


def test_preview_refuses_a_name_that_is_there_twice(account):
    first, second = look(folder("greet"), folder("greet", path="other/greet"))

    assert (first.standing, second.code) == (Standing.NEW, "name-twice")


def test_preview_notes_new_functions_of_one_event_and_ticks_the_first(account):
    first, second = look(folder("one", event_type=TTR), folder("two", event_type=TTR))

    assert (first.clashes, second.clashes) == (False, True)
    assert second.notes == ('It has the event of "one", also new here: choose one of them',)


def test_code_that_is_not_finished_is_imported_and_said_so(account):
    [finding] = look(folder(code="function lambda("))

    assert finding.standing is Standing.NEW
    assert finding.notes[0].startswith("It cannot be deployed as it is: line 1:")


def test_preview_does_without_the_sandbox(account, monkeypatch):
    busy = [runtime.Problem("busy", "Too much to do", severity="error")]
    monkeypatch.setattr(runtime, "check", lambda *_: busy)

    # Code that no other test had checked: what was found once is remembered.
    [finding] = look(folder(code="require('left-pad'); // while the sandbox is busy"))

    assert (finding.standing, finding.notes) == (Standing.NEW, ())


def test_preview_looks_at_code_only_while_there_is_time(account, monkeypatch):
    monkeypatch.setattr(importing, "CHECKING_S", -1)

    [finding] = look(folder(code="require('left-pad')"))

    assert finding.standing is Standing.NEW


# Doing --------------------------------------------------------------------------------------------


def carry_out(*folders, **chosen):
    return exchange.carry_out(ACCOUNT, folders, chosen, by="dana")


def test_import_makes_drafts_and_leaves_one_entry_each(account):
    live = factories.deployed(name="live", environment={"A": "old"})

    done = carry_out(
        folder("live", environment={"A": "new"}), folder("fresh", event_type=TTR),
        folder("not_chosen"), live=1, fresh=0,
    )  # fmt: skip

    live.refresh_from_db()
    fresh = Function.objects.get(name="fresh")
    assert [(each.name, each.is_new, each.code) for each in done] == [
        ("fresh", True, ""),
        ("live", False, ""),
    ]
    assert (live.version, live.code, live.environment) == (2, SOURCE, {"A": "new"})
    assert (live.state, live.deployment.code) == (State.MODIFIED, factories.SOURCE)
    assert (fresh.state, fresh.event_type, fresh.created_by) == (State.DRAFT, TTR, "dana")
    assert sorted((each.by, each.words) for each in audit.entries(ACCOUNT)) == [
        ("dana", "imported fresh"),
        ("dana", "imported live"),
    ]
    assert live.versions.get(number=2).note == "Imported"


def test_import_can_be_undone(account):
    function = factories.FunctionFactory(name="greet")
    carry_out(folder("greet"), greet=1)
    function.refresh_from_db()

    services.restore(function, 1, version=2, by="dana")

    assert (function.code, function.version) == (factories.SOURCE, 3)


def test_what_the_folder_does_not_speak_of_stays(account):
    function = factories.FunctionFactory(
        name="greet", event_type=NEW_CONVERSATION, environment={"A": "1"}, skills=["a"]
    )

    carry_out(
        folder("greet", environment=None, description=None, event_type=None, skills=None), greet=1
    )

    function.refresh_from_db()
    assert (function.code, function.environment) == (SOURCE, {"A": "1"})
    assert (function.description, function.skills) == ("Says hello", ["a"])


def test_skills_of_a_function_that_exists_stay_and_the_preview_says_so(account):
    function = factories.deployed(name="greet", event_type=NEW_CONVERSATION, skills=["a"])
    other = folder("greet", event_type=NEW_CONVERSATION, skills=("b",))

    [finding] = look(other)
    carry_out(other, greet=1)

    function.refresh_from_db()
    assert finding.notes[0].startswith("Its skills stay a, not b: they would change at once")
    assert (function.skills, function.deployment.skills) == (["a"], ["a"])


@pytest.mark.parametrize(
    ("name", "seen", "code"),
    [("there", 0, "name-taken"), ("there", 7, "conflict"), ("gone", 3, "not-allowed"),
     ("bad-name", 0, "invalid"), ("pads", 0, "unusable-code")],
)  # fmt: skip
def test_import_refuses_what_changed_since_the_preview(name, seen, code, account):
    factories.FunctionFactory(name="there")
    codes = {"pads": "require('left-pad')"}

    [failed, fine] = sorted(
        exchange.carry_out(
            ACCOUNT,
            [folder(name, code=codes.get(name, SOURCE)), folder("zz")],
            {name: seen, "zz": 0},
            by="dana",
        ),
        key=lambda each: each.name,
    )

    assert (failed.name, failed.code) == (name, code)
    assert fine.code == ""
    assert Function.objects.filter(name="zz").exists()


def test_second_of_one_event_is_refused_when_both_are_chosen(account):
    done = carry_out(folder("one", event_type=TTR), folder("two", event_type=TTR), one=0, two=0)

    assert sorted(each.code for each in done) == ["", "event-taken"]


def test_page_carries_what_can_be_imported_and_no_more(account):
    factories.FunctionFactory(name="same", description="Says", code=SOURCE)
    findings = look(folder("same"), folder("fresh", skills=("a",), event_type=TTR), folder("b-d"))

    [carried] = exchange.from_form(exchange.to_form(findings))

    assert carried == folder("fresh", skills=("a",), event_type=TTR)


@pytest.mark.parametrize("text", ["", "ä", "!!!", "AAAA", "x" * 77])
def test_what_the_page_carried_is_not_trusted(text):
    with pytest.raises(exchange.ArchiveError):
        exchange.from_form(text)


def test_more_than_a_page_can_carry_is_refused(account, monkeypatch):
    monkeypatch.setattr(importing, "MAX_CARRIED", 100)

    with pytest.raises(exchange.TooLargeError, match="import them in parts"):
        exchange.to_form(look(folder("fresh")))
