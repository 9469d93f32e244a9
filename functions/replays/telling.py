"""A row as programs and spreadsheets get it. Long texts and results are cut."""

import datetime as dt
import json
from typing import Any

from functions.replays.progress import Progress
from functions.replays.rows import Row
from functions.replays.sides import Side, Step

LONGEST_TEXT = 5000
LONGEST_RESULT = 5000
CELLS = (
    "event", "happened", "conversation", "type", "sub-type", "function", "verdict", "fair",
    "differences", "notes", "then", "then outcome", "then ms", "then asked for", "now",
    "now outcome", "now ms", "now asked for",
)  # fmt: skip


def as_json(row: Row) -> dict[str, Any]:
    """A JSON value. Moments are text in ISO 8601, durations milliseconds."""
    event, function = row.event, row.function
    return {
        "eventId": str(event.pk) if event else None,
        "eventType": event.type if event else (function.event_type if function else ""),
        "subtype": event.subtype if event else "",
        "conversationId": event.conversation.conv_id if event else None,
        "occurredAt": _moment(event.occurred_at) if event else None,
        "functionId": str(function.pk) if function else None,
        "functionName": function.name if function else None,
        "verdict": row.verdict,
        "fair": row.fair,
        "notRun": _note(row.not_run) if row.not_run else None,
        "differences": [
            {"code": one.code, "message": one.message, "before": one.before, "after": one.after}
            for one in row.differences
        ],
        "notes": [_note(one) for one in row.notes],
        "then": _side(row.then) if row.then else None,
        "now": _side(row.now) if row.now else None,
    }


def as_cells(row: Row) -> tuple[object, ...]:
    """What stands below `CELLS`."""
    event, function = row.event, row.function
    return (
        event.pk if event else "",
        _moment(event.occurred_at) if event else "",
        event.conversation.conv_id if event else "",
        event.type if event else "",
        event.subtype if event else "",
        function.name if function else "",
        row.verdict,
        "yes" if row.fair else "no",
        "; ".join(one.message for one in row.differences)
        or (row.not_run.message if row.not_run else ""),
        "; ".join(one.message for one in row.notes),
        *_cells(row.then),
        *_cells(row.now),
    )


def summary(progress: Progress) -> dict[str, int]:
    """The counts of a replay so far."""
    return {
        "events": progress.total,
        "done": progress.done,
        "same": progress.same,
        "different": progress.differ,
        "failing": progress.failing,
        "overBudget": progress.slower,
        "unfair": progress.unfair,
        "notRun": progress.not_run,
    }


def _note(note: Any) -> dict[str, str]:
    return {"code": note.code, "message": note.message}


def _side(side: Side) -> dict[str, Any]:
    failure = side.failure
    return {
        "label": side.label or "No function ran",
        "version": side.version,
        "recorded": side.recorded,
        "outcome": side.outcome or None,
        "durationMs": round(side.duration_ms, 1) if side.ran else None,
        "failure": failure
        and {
            "code": failure.code,
            "name": failure.name,
            "message": failure.message[:LONGEST_TEXT],
            "line": failure.line,
            "column": failure.column,
        },
        "commands": [_step(step) for step in side.steps],
        "result": _result(side.value),
        "why": side.why,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "type": step.type,
        "text": step.text[:LONGEST_TEXT] if "text" in step.fields else None,
        "skillId": step.fields.get("skillId"),
        "agentId": step.fields.get("agentId"),
        "automatic": step.automatic,
        "state": step.state or None,
        "reason": step.reason,
        "detail": step.detail,
    }


def _result(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= LONGEST_RESULT else text[:LONGEST_RESULT] + " …"


def _cells(side: Side | None) -> tuple[object, ...]:
    if side is None:
        return "", "", "", ""
    asked = [
        " ".join(
            str(each)
            for each in (
                step.type or "not a command",
                *(step.fields[key] for key in step.fields),
                "(automatic)" if step.automatic else "",
                f"({step.reason or step.state})" if step.reason or step.state else "",
            )
            if each
        )
        for step in side.steps
    ]
    return (
        side.label or "No function ran",
        side.outcome,
        round(side.duration_ms, 1) if side.ran else "",
        "\n".join(asked) or (_as_text(side.value) if side.outcome == "SUCCEEDED" else ""),
    )


def _as_text(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)[:LONGEST_RESULT]


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
