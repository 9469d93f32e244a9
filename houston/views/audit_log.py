"""The audit log: every change with who made it, one change with its differences, and as a file."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from functions.models import Function, Version
from functions.views import downloads, paging
from functions.views.comparing import Change, compare_variables
from functions.views.policy import with_editor
from houston.audit_forms import AuditFilterForm
from houston.middleware import AccountRequest
from houston.views.access import may_administrate
from houston.views.answers import private
from invoker import audit
from invoker.models import AuditEntry, Deployment

PAGE_SIZE = 50
MAX_EXPORT = 50_000
SUMMARY_LENGTH = 48
CHUNK = 500
# Where the page is on which something of a kind is changed.
PAGES: Final = {
    "secret": "secrets",
    "domain": "domains",
    "message": "automatic-messages",
    "hours": "hours",
    "idle-time": "idle-times",
    "bot": "controller-bot",
    "connection": "connections",
    "member": "members",
    "alert": "alerts",
}
COLUMNS: Final = (
    "at", "by", "address", "action", "subject", "detail", "before", "after", "id", "request_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    entry: AuditEntry
    summary: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One value as people compare it; "" where there was or is none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Codes:
    """The code before and after, with what each is called, and the variables that differ."""

    before: str
    after: str
    before_name: str
    after_name: str
    variables: list[Change]


# The list -----------------------------------------------------------------------------------------


@require_GET
def audit_log(request: AccountRequest, account_id: str) -> HttpResponse:
    return _page(request, account_id)


def _page(request: AccountRequest, account_id: str, *, refusal: str = "") -> HttpResponse:
    whole = may_administrate(request)
    form = _filter(request)
    before = request.GET.get("before", "")
    found = form.narrow(_readable(request))
    page = paging.newest_first(found, before, size=PAGE_SIZE, moment="at")
    wishes = form.wishes
    query = urlencode(wishes)
    here = reverse("audit-log", args=[account_id])
    people: list[str] = []
    if whole:
        members = request.account.memberships.order_by("user__username")
        people = list(members.values_list("user__username", flat=True).distinct())
    context = {
        "rows": [Row(entry, _summary(entry)) for entry in page.rows],
        "form": form,
        "refusal": refusal,
        "query": query,
        "filtered": bool(wishes),
        "before": before,
        "older": f"{here}?{urlencode({**wishes, 'before': page.older})}" if page.older else "",
        "newest": f"{here}?{query}" if before else "",
        "whole": whole,
        "people": people,
    }
    refused = refusal or form.errors
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK
    return private(render(request, "accounts/audit_log.html", context, status=status))


def _filter(request: AccountRequest) -> AuditFilterForm:
    form = AuditFilterForm(request.GET, functions_only=not may_administrate(request))
    # What cannot be used is said beside the others, which narrow all the same.
    form.is_valid()
    return form


def _readable(request: AccountRequest) -> Any:
    """Admins and the account team read everything, developers what is about functions.

    The vendor's matrix has no row for it. What happened to a function a developer may read in its
    versions and deployments anyway; who was made a member and from where people work is not theirs.
    """
    return audit.entries(request.account_id, functions_only=not may_administrate(request))


def _summary(entry: AuditEntry) -> str:
    """The first differences in a line, as far as they are short."""
    told = []
    for one in _differences(entry):
        values = [each for each in (one.before, one.after) if each or entry.before]
        if not values:
            continue
        text = f"{one.name}: {' → '.join(each or 'nothing' for each in values)}"
        told.append(text if len(text) <= SUMMARY_LENGTH and "\n" not in text else one.name)
    shown = told[:3]
    more = len(told) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


# One change ---------------------------------------------------------------------------------------


@with_editor
@require_GET
def audit_entry(request: AccountRequest, account_id: str, entry_id: uuid.UUID) -> HttpResponse:
    entry = get_object_or_404(_readable(request), pk=entry_id)
    is_function = entry.subject_kind == "function"
    function = _function(entry) if is_function else None
    page = PAGES.get(entry.subject_kind)
    context = {
        "entry": entry,
        "differences": _differences(entry),
        "codes": _codes(entry, function) if is_function else None,
        "function": function,
        "page": reverse(page, args=[account_id]) if page else "",
        "page_name": audit.KINDS.get(entry.subject_kind, ""),
        "gone": is_function and function is None and entry.subject_id != "",
        "whole": may_administrate(request),
    }
    return private(render(request, "accounts/audit_entry.html", context))


def _differences(entry: AuditEntry) -> list[Difference]:
    # The deployment is what leads to the code, and no value that somebody set.
    names = [name for name in {**entry.before, **entry.after} if name != "Deployment"]
    return [
        Difference(name, _spell(entry.before.get(name)), _spell(entry.after.get(name)))
        for name in names
    ]


def _spell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
    return json.dumps(value, ensure_ascii=False)


def _function(entry: AuditEntry) -> Function | None:
    try:
        pk = uuid.UUID(entry.subject_id)
    except ValueError:
        return None
    return Function.objects.filter(account_id=entry.account_id, pk=pk).only("name").first()


def _codes(entry: AuditEntry, function: Function | None) -> Codes | None:
    """The code that an entry is about; None where it was not about code, or the code is gone."""
    if "Live version" in entry.after:
        pks = [entry.before.get("Deployment"), entry.after.get("Deployment")]
        served = {
            str(each.pk): each
            for each in Deployment.objects.filter(
                account_id=entry.account_id, pk__in=[pk for pk in pks if pk]
            )
        }
        return _compared(*(served.get(pk or "") for pk in pks), nothing="nothing was live")
    numbers = [entry.before.get("Version"), entry.after.get("Version")]
    if function is None or numbers[1] is None:
        return None
    saved = {each.number: each for each in function.versions.filter(number__in=numbers[:2])}
    if entry.action == "function.deploy-failed":
        return None
    return _compared(*(saved.get(number or 0) for number in numbers), nothing="no version")


def _compared(
    before: Version | Deployment | None, after: Version | Deployment | None, *, nothing: str
) -> Codes | None:
    if after is None:
        return None
    return Codes(
        before=before.code if before else "",
        after=after.code,
        before_name=_called(before) if before else nothing,
        after_name=_called(after),
        variables=compare_variables(before.environment if before else {}, after.environment),
    )


def _called(code: Version | Deployment) -> str:
    return f"Version {code.number if isinstance(code, Version) else code.version}"


# As a file ----------------------------------------------------------------------------------------


@require_GET
def audit_export(request: AccountRequest, account_id: str) -> HttpResponseBase:
    """What the filters find, the newest first, as CSV or JSON lines."""
    form = _filter(request)
    found = form.narrow(_readable(request)).order_by("-at", "-id")
    count = found[: MAX_EXPORT + 1].count()
    if count > MAX_EXPORT:
        return _page(
            request,
            account_id,
            refusal=f"Cannot export: more than {MAX_EXPORT:,} changes were found, narrow them "
            "down by days and export each part",
        )
    rows = (_told(entry, whole=may_administrate(request)) for entry in found.iterator(CHUNK))
    as_csv = request.GET.get("format") != "jsonl"
    lines = _csv(rows) if as_csv else (f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    kind, ending = ("text/csv", "csv") if as_csv else ("application/jsonl", "jsonl")
    response = StreamingHttpResponse(lines, content_type=f"{kind}; charset=utf-8")
    name = f"audit-log-{account_id}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _told(entry: AuditEntry, *, whole: bool) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "by": entry.by,
        "address": entry.address if whole else "",
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "before": entry.before,
        "after": entry.after,
        "id": str(entry.pk),
        "request_id": entry.request_id,
    }


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    cells = (
        [row[name] if isinstance(row[name], str) else _json(row[name]) for name in COLUMNS]
        for row in rows
    )
    return downloads.csv_lines(COLUMNS, cells)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
