"""`manage.py scenario`: play scenario files here and now, without a worker or a web server."""

import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from functions import scenarios
from functions.exchange import FolderError
from functions.models import Function
from functions.scenarios import Cast, Document, Outcome, ScenarioError, StepOutcome, junit
from houston.models import Account
from invoker import rehearsal

FILES: Final = ("*.yaml", "*.yml", "*.json")
DIFFERS, UNREADABLE = 1, 2
NO_ACCOUNT: Final = ""
_COMMANDING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
MOST_LOGS: Final = 20
"""Lines of a step's functions that are shown where it differs."""


class Command(BaseCommand):
    help = (
        "Play scenarios: conversations as files, with what is expected to come of them. Nothing is "
        "written down and nothing is delivered. Ends with 1 when something else came than was "
        "expected, and with 2 when a file cannot be read"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        run = acts.add_parser("run", help="Play files and say what differs")
        _add_playing(run)
        run.add_argument("--junit", type=Path, metavar="OUT.xml", help="Write JUnit XML as well")
        record = acts.add_parser(
            "record", help="Play files, and write into them what came as what is expected"
        )
        _add_playing(record)
        check = acts.add_parser("check", help="Read files and say what is wrong with them")
        _add_files(check)
        acts.add_parser("list", help="List the scenarios that come with Houston")

    def handle(self, *_: Any, **options: Any) -> None:
        match options["act"]:
            case "list":
                for each in scenarios.shipped():
                    self.stdout.write(f"{each.path}  {each.document.name}")
            case "check":
                self._check(options)
            case "record":
                self._record(options)
            case _:
                self._run(options)

    # What is asked for ----------------------------------------------------------------------------

    def _check(self, options: dict[str, Any]) -> None:
        unreadable = 0
        for path, document in _read(options["files"]):
            if isinstance(document, ScenarioError):
                unreadable += 1
                self._bad(document.message)
            else:
                self._good(f"{path}  {document.name}, {_count(len(document.steps), 'step')}")
        _end(unreadable=unreadable)

    def _run(self, options: dict[str, Any]) -> None:
        results = []
        differing = unreadable = 0
        for path, outcome in self._played(options):
            results.append(junit.Result(str(path), outcome))
            if isinstance(outcome, ScenarioError):
                unreadable += 1
                self._bad(outcome.message)
                continue
            differing += not outcome.passed
            self._tell(path, outcome)
        if options["junit"]:
            try:
                options["junit"].write_bytes(junit.write(results))
            except OSError as error:
                raise _refusal(f'Cannot write "{options["junit"]}": {error.strerror}') from error
        passed = len(results) - differing - unreadable
        told = f"{_count(len(results), 'scenario')}: {passed} passed, {differing} failed"
        if unreadable:
            told += f", {unreadable} could not be read"
        self.stdout.write(f"\n{told}")
        _end(differing=differing, unreadable=unreadable)

    def _record(self, options: dict[str, Any]) -> None:
        failed = unreadable = 0
        for path, outcome in self._played(options):
            if isinstance(outcome, ScenarioError):
                unreadable += 1
                self._bad(outcome.message)
                continue
            try:
                told = _record(path, outcome)
            except ScenarioError as error:
                failed += 1
                self._bad(f"{path}  {error.message}")
            except OSError as error:
                raise _refusal(f'Cannot write "{path}": {error.strerror}') from error
            else:
                self._good(f"{path}  {told}")
        _end(differing=failed, unreadable=unreadable)

    def _played(self, options: dict[str, Any]) -> Iterator[tuple[Path, Outcome | ScenarioError]]:
        """Each file with what came, as soon as it came."""
        found = list(_read(options["files"]))
        brought = all(
            isinstance(document, ScenarioError) or document.functions for _, document in found
        )
        try:
            account_id = _account_id(options, brought=brought)
            cast = _cast(account_id, options)
            for path, document in found:
                if isinstance(document, ScenarioError):
                    yield path, document
                else:
                    network = options["network"]
                    yield path, scenarios.run(account_id, document, cast, network=network)
        except DatabaseError as error:
            raise _refusal(
                f"Cannot play: the database is not ready, run manage.py migrate first. {error}"
            ) from error

    # What is said ---------------------------------------------------------------------------------

    def _tell(self, path: Path, outcome: Outcome) -> None:
        took = f"{_count(len(outcome.steps), 'step')}, {outcome.duration_ms / 1000:.2f} s"
        said = f"{path}  {outcome.document.name} ({took})"
        if outcome.passed:
            self._good(said)
            return
        self._bad(said)
        for step in outcome.steps:
            if step.differs and (step.played or step.stopped):
                self._tell_step(step)
        if outcome.stopped:
            self.stdout.write(f"  {self.style.ERROR(_visible(outcome.stopped.message))}")
        left = sum(not step.played for step in outcome.steps)
        if left:
            self.stdout.write(f"  {_count(left, 'step')} could not be played")

    def _tell_step(self, step: StepOutcome) -> None:
        self.stdout.write(f"  {step.number}. {junit.title(step)}")
        if step.stopped:
            self.stdout.write(f"     {self.style.ERROR(_visible(step.stopped.message))}")
        for line in step.difference:
            style = {"-": self.style.ERROR, "+": self.style.SUCCESS}.get(line.mark, str)
            self.stdout.write(f"     {style(_visible(str(line)))}")
        notes = [
            *(
                f"dropped {one.type or 'a value'}: {one.detail}"
                for each in step.came
                for one in each.dropped
            ),
            *(rehearsal.MARKS[mark] for each in step.came for mark in each.marks),
            *step.logs[:MOST_LOGS],
        ]
        if len(step.logs) > MOST_LOGS:
            notes.append(f"and {_count(len(step.logs) - MOST_LOGS, 'log line')} more")
        for note in notes:
            self.stdout.write(f"     {_visible(note)}")

    def _good(self, text: str) -> None:
        self.stdout.write(f"{self.style.SUCCESS('ok  ')}  {_visible(text)}")

    def _bad(self, text: str) -> None:
        self.stdout.write(f"{self.style.ERROR('FAIL')}  {_visible(text)}")


def _visible(text: str) -> str:
    """Text of functions and files, which must neither command a terminal nor begin a line."""
    return _COMMANDING.sub(lambda found: ascii(found[0])[1:-1], text)


def _add_files(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="A scenario, or a folder of them"
    )


def _add_playing(parser: ArgumentParser) -> None:
    _add_files(parser)
    parser.add_argument(
        "--account", metavar="ID", help="Whose functions and settings; not needed for the only one"
    )
    parser.add_argument(
        "--functions",
        type=Path,
        metavar="FOLDER",
        help="Functions as lpf has them on a disk play in place of the account's, none is needed",
    )
    parser.add_argument(
        "--draft", action="append", default=[], metavar="NAME",
        help="A function that plays with its draft; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--network",
        action="store_true",
        help="Let requests leave, to the hosts of the account's allow-list",
    )


def _read(paths: list[Path]) -> Iterator[tuple[Path, Document | ScenarioError]]:
    for path in paths:
        found = (
            sorted(each for form in FILES for each in path.glob(form)) if path.is_dir() else None
        )
        if found == []:
            raise _refusal(f'Cannot play: there is no {", ".join(FILES)} in "{path}"')
        for each in found or [path]:
            try:
                yield each, scenarios.read_file(each)
            except ScenarioError as error:
                yield each, error


def _account_id(options: dict[str, Any], *, brought: bool) -> str:
    """Whose settings count: the account that was named, or the only one; "" for none."""
    wanted = options["account"]
    known = sorted(Account.objects.values_list("pk", flat=True))
    if wanted is not None:
        if wanted not in known:
            raise _refusal(
                f'Cannot play: there is no account "{wanted}", known are {", ".join(known)}'
            )
        return str(wanted)
    if options["functions"] or brought:
        return NO_ACCOUNT
    if len(known) == 1:
        return str(known[0])
    way_out = f"name one of {', '.join(known)} with --account" if known else "none exists"
    raise _refusal(
        f"Cannot play: whose functions are meant, {way_out}, or give a folder of them with "
        "--functions"
    )


def _cast(account_id: str, options: dict[str, Any]) -> Cast:
    names = set(options["draft"])
    mine = Function.objects.filter(account_id=account_id, name__in=names)
    drafts = dict(mine.values_list("name", "pk"))
    if unknown := sorted(names - drafts.keys()):
        raise _refusal(f'Cannot play: the account has no function "{unknown[0]}"')
    folder = options["functions"]
    if folder is not None and names:
        raise _refusal(
            "Cannot play: --functions and --draft exclude each other, drafts are an account's"
        )
    if folder is not None and not folder.is_dir():
        raise _refusal(f'Cannot play: there is no folder "{folder}"')
    try:
        return scenarios.cast(account_id, drafts=set(drafts.values()), folder=folder)
    except FolderError as error:
        raise _refusal(str(error)) from error


def _record(path: Path, outcome: Outcome) -> str:
    """Write what came as what is expected, and say what that changed."""
    old = outcome.document
    new = scenarios.accept(old, outcome)
    pairs = zip(old.steps, new.steps, strict=True)
    changed = sum(before.expect != after.expect for before, after in pairs)
    if not changed:
        return f"{old.name}, as it was"
    write = scenarios.write_json if path.suffix == ".json" else scenarios.write
    path.write_text(write(new), encoding="utf-8")
    return f"{old.name}, {_count(changed, 'step')} recorded anew"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _refusal(message: str) -> CommandError:
    return CommandError(message, returncode=UNREADABLE)


def _end(*, differing: int = 0, unreadable: int = 0) -> None:
    if unreadable or differing:
        sys.exit(UNREADABLE if unreadable else DIFFERS)
