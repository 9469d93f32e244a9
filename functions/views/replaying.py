"""The draft on what really happened, beside what is live: a slice of it per request."""

from dataclasses import dataclass, replace

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from functions import replays
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import ReplayForm
from functions.models import Function
from functions.views import drawing
from functions.views.finding import find_function
from invoker import rehearsal, runtime

PAGE = "functions/replay.html"
MARKS = {
    rehearsal.Mark.NETWORK: "A request was refused: none leaves a replay",
    rehearsal.Mark.INVOKE: "Another function was not invoked",
    rehearsal.Mark.WRITE: "Nothing was written",
    rehearsal.Mark.SECRET: "Read a secret as it is today",
    rehearsal.Mark.CONTEXT: "Read stored context as it is today",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One version's run as the page shows it."""

    run: drawing.Run
    marks: list[str]
    recorded: bool


@dataclass(frozen=True, slots=True)
class Row:
    replay: replays.Replay
    old: Side | None
    new: Side

    @property
    def differs(self) -> bool:
        return self.old is None or _essence(self.old.run) != _essence(self.new.run)

    @property
    def fails_now(self) -> bool:
        """The draft fails where what is live did not."""
        return _failed(self.new) and not (self.old and _failed(self.old))

    @property
    def slower_ms(self) -> float:
        if self.old is None:
            return 0.0
        return self.new.run.result.duration_ms - self.old.run.result.duration_ms


@require_POST
@requires(DEVELOPER)
def replay(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        problem = "Cannot compare: choose 5, 20 or 50 events and start again"
        return _answer(request, function, {"problem": problem}, status=422)
    asked = form.cleaned_data
    count, done, differ = asked["count"], asked["done"] or 0, asked["differ"] or 0
    worse, timeouts = asked["worse"] or 0, asked["timeouts"] or 0
    older = str(asked["older"] or "")
    if asked["of"] and asked["of"] != pair(function):
        problem = "Cannot go on: a version was saved or deployed meanwhile, start again"
        return _answer(request, function, {"problem": problem}, status=409)
    carried = {
        "count": count, "done": done, "differ": differ, "worse": worse, "timeouts": timeouts,
        "older": older,
    }  # fmt: skip
    try:
        found = replays.next_slice(
            function, left=max(count - done, 1), older_than=older, timeouts=timeouts
        )
    except replays.BusyError:
        busy = carried | {"busy": True, "more": True, "continues": bool(older), "rows": []}
        return _answer(request, function, busy)
    rows = [_row(function, each) for each in found.replays]
    different = [row for row in rows if row.differs]
    done += len(rows)
    return _answer(
        request,
        function,
        {
            "count": count,
            "done": done,
            "differ": differ + len(different),
            "worse": worse + sum(row.fails_now for row in rows),
            "same": done - differ - len(different),
            "timeouts": timeouts + sum(each.timeouts for each in found.replays),
            "older": str(found.older.pk) if found.older else "",
            "more": found.older is not None,
            "stopped": found.stopped,
            "continues": bool(older),
            "different_rows": different,
            "same_rows": [row for row in rows if not row.differs],
            "sampled": any(each.event is None for each in found.replays),
        },
    )


def pair(function: Function) -> str:
    """What is compared: a slice of another draft or another live version is no part of it."""
    return f"{function.version}-{function.deployment_id or ''}"


def _answer(
    request: ConsoleRequest, function: Function, context: dict[str, object], status: int = 200
) -> HttpResponse:
    context = context | {"function": function, "live": function.deployment, "of": pair(function)}
    part = f"{PAGE}#{'following' if context.get('continues') else 'first'}"
    return render(request, part if request.htmx else PAGE, context, status=status)


def _row(function: Function, one: replays.Replay) -> Row:
    def side(ran: replays.Ran) -> Side:
        run = drawing.draw_test(function, ran.result, one.document)
        return Side(run, [MARKS[mark] for mark in ran.marks], ran.recorded)

    return Row(one, side(one.old) if one.old else None, side(one.new))


def _failed(side: Side) -> bool:
    return side.run.result.outcome != runtime.Outcome.SUCCEEDED


def _essence(run: drawing.Run) -> object:
    """What counts: what would be done. Times differ always."""
    result = run.result
    why = (result.failure.code, result.failure.message) if result.failure else None
    if not run.shows_commands:
        return result.outcome, why, result.value
    return result.outcome, why, [replace(one, why="") for one in run.drawn]
