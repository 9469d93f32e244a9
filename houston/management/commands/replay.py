"""`manage.py replay`: what a version would do on what really happened, for people and scripts."""

import json
import sys
import textwrap
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from functions import replays
from functions.models import Function
from functions.replays import Against, Beside, Progress, Row
from houston.models import Account
from invoker import runtime

DIFFERS, REFUSED, INTERRUPTED = 1, 2, 130
USUAL: Final = 100
MOST_AT_ONCE: Final = 100
"""Events of a slice, so that the progress moves."""
WIDTH: Final = 100
SAY_ALL: Final = ("transfer-new", "transfer-gone", "transfer-changed", "over-budget")
"""Differences whose sentence has what was before and what is now."""
STOPPED: Final = {
    "timeouts": f"Stopped: {replays.MOST_TIMEOUTS} runs took longer than {replays.RUN_S:g} s each",
    "no-sandbox": f"Stopped: no sandbox was free for {replays.MOST_TIMEOUTS} runs",
}


class Command(BaseCommand):
    help = (
        "Run a version of a function on events that happened, and say what it would do otherwise. "
        "Nothing is written down and nothing is sent. Ends with 1 when something differs, and with "
        "2 when what is asked for makes no sense"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, metavar="ID")
        parser.add_argument("--event", type=uuid.UUID, metavar="ID", help="This event")
        parser.add_argument(
            "--conversation", metavar="ID", help="All events of it, by the id of its platform"
        )
        parser.add_argument(
            "--function",
            metavar="NAME",
            help="Its last events. Of a conversation it is the one that --against is about, and "
            "others run as deployed",
        )
        parser.add_argument(
            "--last", type=int, metavar="N", help=f"So many, {USUAL} else, {replays.MOST} at most"
        )
        parser.add_argument(
            "--against",
            default="draft",
            metavar="VERSION",
            help='"draft" (as is usual), "deployed", the number of a version, or the id of a '
            "deployment; of an event it is one of the function that ran for it",
        )
        parser.add_argument(
            "--beside",
            choices=[each.value for each in Beside],
            default=Beside.HAPPENED.value,
            help="Compare with what happened (as is usual), or with the deployed version",
        )
        parser.add_argument(
            "--network",
            action="store_true",
            help="Let requests leave, to the hosts of the account's allow-list: what they change "
            "there is changed once more",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        # This process holds every key, and sandboxes run as the same user.
        runtime.hide()
        told: list[dict[str, Any]] = []
        progress, stopped = Progress(), ""
        interrupted = False
        try:
            for part in _parts(_choice(options)):
                progress, stopped = part.progress, part.stopped
                if options["json"]:
                    told += map(replays.as_json, part.rows)
                else:
                    self._tell(part.rows)
                self._show_progress(progress)
        except replays.ReplayError as error:
            raise _refusal(str(error)) from error
        except DatabaseError as error:
            raise _refusal(
                f"Cannot replay: the database is not ready, run manage.py migrate first. {error}"
            ) from error
        except KeyboardInterrupt:
            interrupted = True
        self._clear_progress()
        if options["json"]:
            counts = replays.summary(progress)
            document = {"counts": counts, "stopped": stopped or None, "results": told}
            self.stdout.write(json.dumps(document, indent=2))
        else:
            self._sum_up(progress, stopped)
        if interrupted:
            sys.exit(INTERRUPTED)
        if progress.differ or stopped:
            sys.exit(DIFFERS)

    # What is said ---------------------------------------------------------------------------------

    def _tell(self, rows: list[Row]) -> None:
        for row in rows:
            if row.verdict == "same":
                continue
            self._clear_progress()
            self.stdout.write(_title(row))
            if row.not_run:
                self.stdout.write(f"  Not run: {row.not_run.message}")
            for one in row.differences:
                style = self.style.ERROR if one.code == "fails-now" else self.style.WARNING
                self.stdout.write(f"  {style(one.message)}")
                if one.code not in SAY_ALL:
                    self._tell_texts(one.before, one.after)
            for note in row.notes:
                self.stdout.write(f"  Note: {note.message}")

    def _tell_texts(self, before: str, after: str) -> None:
        for sign, text, style in (
            ("-", before, self.style.ERROR),
            ("+", after, self.style.SUCCESS),
        ):
            for line in text.splitlines():
                for part in textwrap.wrap(line, WIDTH) or [""]:
                    self.stdout.write(style(f"    {sign} {part}"))

    def _sum_up(self, progress: Progress, stopped: str) -> None:
        words = [
            f"{progress.done:,} event{'' if progress.done == 1 else 's'}: "
            f"{progress.differ:,} with another result, {progress.same:,} with the same",
            f"{progress.not_run:,} not run" if progress.not_run else "",
            f"{progress.failing:,} fail now" if progress.failing else "",
            f"{progress.slower:,} over a second now" if progress.slower else "",
            f"{progress.unfair:,} not compared fairly" if progress.unfair else "",
        ]
        self.stdout.write(", ".join(filter(None, words)))
        if stopped:
            self.stdout.write(self.style.ERROR(STOPPED[stopped]))

    def _show_progress(self, progress: Progress) -> None:
        if self.stderr.isatty():
            said = f"{progress.done:,} of {progress.total:,} events, {progress.differ:,} differ"
            self.stderr.write(f"\r{said}", ending="")

    def _clear_progress(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\033[K", ending="")


def _parts(choice: replays.Choice) -> Iterator[replays.Slice]:
    part = replays.next_slice(choice, most=MOST_AT_ONCE)
    yield part
    while part.more:
        part = replays.next_slice(choice, part.progress, most=MOST_AT_ONCE)
        yield part


def _choice(options: dict[str, Any]) -> replays.Choice:
    """What is asked for.

    Raises:
        InvalidChoiceError: there is no such thing.
    """
    account_id, name = options["account"], options["function"]
    if not Account.objects.filter(pk=account_id).exists():
        known = ", ".join(sorted(Account.objects.values_list("pk", flat=True))) or "none"
        raise _refusal(f'Cannot replay: there is no account "{account_id}", known are {known}')
    which = [options["event"], options["conversation"]]
    if all(which) or not (any(which) or name):
        raise _refusal("Cannot replay: say one of --event, --conversation and --function")
    function = None
    if name:
        found = Function.objects.select_related("deployment")
        function = found.filter(account_id=account_id, name=name).first()
        if function is None:
            raise _refusal(f'Cannot replay: the account has no function "{name}"')
    last = options["last"]
    if last is not None and (any(which) or not 1 <= last <= replays.MOST):
        raise _refusal(
            f"Cannot replay: --last goes with --function alone, from 1 to {replays.MOST}"
        )
    most, against = replays.MOST, Against.read(options["against"])
    if options["event"]:
        events = replays.by_id(account_id, [options["event"]])
        if against.needs_function and function is None:
            function = replays.function_of(events.get())
    elif options["conversation"]:
        events = replays.of_conversation(account_id, options["conversation"], function)
    else:
        assert function
        events, most = replays.of_type(function), last or USUAL
    return replays.Choice(
        account_id=account_id,
        events=events,
        most=most,
        function=function,
        against=against,
        beside=Beside(options["beside"]),
        network=options["network"],
        others=bool(options["conversation"]),
        listening=not any(which),
    )


def _title(row: Row) -> str:
    if row.event is None:
        return "The sample payload"
    event = row.event
    return "  ".join(
        (
            f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC",
            row.function.name if row.function else "no function",
            event.conversation.conv_id,
            f"event {event.pk}",
        )
    )


def _refusal(message: str) -> CommandError:
    return CommandError(message, returncode=REFUSED)
