"""How long a replay of 1,000 stored events takes, beside the floor of a bare sandbox call for each.

    make bench-replay ARGS="--events 200"

Fills an SQLite file with conversations whose events a function of the gallery really served, with
their recorded runs and commands, and replays them against a draft: once with the very same answers,
once with another text, and once where nothing was recorded, so that the deployed version runs too.
The floor runs the same documents in as many warm sandboxes, and does nothing else with them.
"""

import argparse
import datetime as dt
import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import django

DIRECTORY = tempfile.TemporaryDirectory(prefix="houston-bench-")
os.environ["HOUSTON_DATA_DIR"] = DIRECTORY.name
os.environ["HOUSTON_LOG_LEVEL"] = "ERROR"
os.environ["DJANGO_SETTINGS_MODULE"] = "houston.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from functions import gallery, replays  # noqa: E402
from functions.models import Function, Version  # noqa: E402
from functions.replays import running  # noqa: E402
from invoker import automatic_messages, commands, dispatch, events, rehearsal, runtime  # noqa: E402
from invoker.models import (  # noqa: E402
    Command,
    CommandState,
    Connection,
    ControllerBot,
    Conversation,
    Deployment,
    Event,
    EventState,
    Invocation,
    InvocationState,
    Verdict,
)

ACCOUNT, TEMPLATE, ROUNDS = "acme1", "new-conversation", 5
BAR_S = 5.0


@dataclass(slots=True)
class Measured:
    """One kind of replay. Seconds of each round."""

    name: str
    took_s: list[float] = field(default_factory=list)
    slices: list[float] = field(default_factory=list)
    differ: int = 0

    @property
    def median_s(self) -> float:
        return statistics.median(self.took_s)


def fill(count: int) -> Function:
    """A function that is deployed, and that many conversations which it greeted."""
    call_command("migrate", verbosity=0)
    found = {each.slug: each for each in gallery.load()}[TEMPLATE]
    ControllerBot.objects.create(account_id=ACCOUNT, set_up_by="bench")
    automatic_messages.create_defaults(ACCOUNT)
    function = Function.objects.create(
        account_id=ACCOUNT,
        name="greet",
        description="Greets",
        event_type=found.event_type,
        code=found.source,
    )
    Version.objects.create(function=function, number=1, code=found.source)
    function.deployment = Deployment.objects.create(
        account_id=ACCOUNT,
        function_id=function.pk,
        function_name="greet",
        event_type=found.event_type,
        version=1,
        code=found.source,
        active=True,
    )
    function.save()
    bench = Connection.objects.create(account_id=ACCOUNT, platform="generic", name="bench")
    now = timezone.now()
    conversations = Conversation.objects.bulk_create(
        Conversation(account_id=ACCOUNT, connection=bench, conv_id=f"conversation-{number}")
        for number in range(count)
    )
    payload = events.sample(found.event_type)["payload"]
    subtypes = events.EVENT_TYPES[found.event_type].subtypes
    happened = Event.objects.bulk_create(
        Event(
            account_id=ACCOUNT,
            conversation=conversation,
            type=found.event_type,
            subtype=subtypes[number % len(subtypes)],
            payload=_payload(payload, conversation.conv_id, subtypes[number % len(subtypes)]),
            position=1,
            occurred_at=now - dt.timedelta(minutes=count - number),
            received_at=now - dt.timedelta(minutes=count - number),
            created_at=now - dt.timedelta(minutes=count - number),
            state=EventState.DONE,
            verdict=Verdict.DELIVERED,
            function_id=function.pk,
        )
        for number, conversation in enumerate(conversations)
    )
    record(function, happened)
    return function


def _payload(sample: dict[str, object], conv_id: str, subtype: str) -> dict[str, object]:
    general = sample["general"]
    assert isinstance(general, dict)
    return sample | {"general": general | {"convId": conv_id, "cbotEventType": subtype}}


def record(function: Function, happened: list[Event]) -> None:
    """What the function gives for each, as if it had served them."""
    program = bare(function)
    runs, carried_out = [], []
    for event in happened:
        result = runtime.run(program, dispatch.input_of(event))
        run = Invocation(
            account_id=ACCOUNT,
            event=event,
            deployment=function.deployment,
            function_id=function.pk,
            outcome=InvocationState.SUCCEEDED,
            result=result.value,
            duration_ms=result.duration_ms,
        )
        runs.append(run)
        carried_out += [
            Command(
                account_id=ACCOUNT,
                event=event,
                invocation=run,
                type=asked.type,
                fields=asked.fields,
                position=0,
                state=CommandState.SENT,
            )
            for asked in commands.parse(result.value)
        ]
    Invocation.objects.bulk_create(runs)
    Command.objects.bulk_create(carried_out)


def bare(function: Function) -> runtime.Program:
    stage = rehearsal.Platform(ACCOUNT, function.pk)
    program = rehearsal.program(
        ACCOUNT, function.pk, function.name, code=function.code, environment={}, platform=stage
    )
    return replace(program, key=f"bench{uuid.uuid4().hex}-1")


def floor(function: Function, measured: Measured) -> None:
    """Bare calls of the sandbox, as many side by side as a replay has."""
    documents = [dispatch.input_of(each) for each in Event.objects.all()]
    program = bare(function)
    began = time.perf_counter()
    with ThreadPoolExecutor(running.AT_ONCE) as threads:
        for result in threads.map(lambda each: runtime.run(program, each), documents):
            assert result.outcome == runtime.Outcome.SUCCEEDED
    measured.took_s.append(time.perf_counter() - began)


def replay(function: Function, measured: Measured) -> None:
    choice = replays.Choice(
        account_id=ACCOUNT, events=replays.of_type(function), function=function, listening=True
    )
    progress, more = replays.Progress(), True
    began = time.perf_counter()
    while more:
        slice_began = time.perf_counter()
        found = replays.next_slice(choice, progress)
        progress, more = found.progress, found.more
        measured.slices.append(time.perf_counter() - slice_began)
    measured.took_s.append(time.perf_counter() - began)
    assert progress.done == Event.objects.count()
    assert not progress.not_run
    measured.differ = progress.differ


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1000)
    count = parser.parse_args().events
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, "
        f'load {os.getloadavg()[0]:.1f}; {count:,} events of "{TEMPLATE}", '
        f"{running.AT_ONCE} sandboxes at once"
    )
    function = fill(count)
    same, other, both = function.code, function.code.replace("Hello", "Good day"), function.code
    rows = [
        (Measured("bare sandbox calls"), floor, same),
        (Measured("replay, the same answers"), replay, same),
        (Measured("replay, other answers"), replay, other),
        (Measured("replay, nothing recorded"), replay, both),
    ]
    for number, (measured, run, code) in enumerate(rows):
        if number == len(rows) - 1:
            Invocation.objects.all().delete()
        function.code = code
        for _ in range(ROUNDS):
            _timed(run, function, measured)
    bare_s = rows[0][0].median_s
    print(f"  {'':<28}{'events':>8}{'seconds':>9}{'events/s':>10}{'x floor':>9}{'differ':>8}")
    for measured, _, _ in rows:
        print(
            f"  {measured.name:<28}{count:>8,}{measured.median_s:>9.2f}"
            f"{count / measured.median_s:>10,.0f}{measured.median_s / bare_s:>9.1f}"
            f"{measured.differ:>8,}"
        )
    longest = max(each for measured, _, _ in rows for each in measured.slices)
    print(f"  Longest slice: {longest:.2f} s")
    slowest = max(measured.median_s for measured, _, _ in rows)
    holds = slowest <= BAR_S
    print(f"  Slowest replay {slowest:.2f} s  ≤ {BAR_S:g} s{'' if holds else '  FAILS'}")
    runtime.close()
    return 0 if holds else 1


def _timed(
    run: Callable[[Function, Measured], None], function: Function, measured: Measured
) -> None:
    run(function, measured)


if __name__ == "__main__":
    with DIRECTORY:
        sys.exit(main())
