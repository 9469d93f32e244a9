"""Functions as files: export, and import after a look at what it would change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from functions import exchange, services
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.exchange import Finding, Standing
from functions.forms import ListFilterForm
from functions.import_forms import ArchiveForm, DecisionForm
from functions.models import Function
from functions.views import comparing
from functions.views.comparing import Change
from functions.views.differing import Hunk, difference, summary
from functions.views.listing import filter_functions

# More open differences than that make a page that nobody reads.
OPEN_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One folder of the preview, with what would change."""

    finding: Finding
    hunks: Sequence[Hunk] = ()
    changes: Sequence[Change] = ()
    description: tuple[str, str] | None = None
    """Before and after, where it would change."""
    lines: str = ""
    failed: str = ""
    """Why it was not imported, where that was tried."""

    @property
    def value(self) -> str:
        return f"{self.finding.name}:{self.finding.version}"


@require_GET
def export(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The functions that are named, or else all that the filter of the list shows."""
    found = list(
        Function.objects.filter(account_id=account_id).select_related("deployment").order_by("name")
    )
    names = request.GET.getlist("name")
    if names:
        found = [each for each in found if each.name in names]
    else:
        found = filter_functions(found, ListFilterForm(request.GET))
    if not found:
        messages.error(request, "Cannot export nothing: no function was chosen")
        return redirect("functions:list", account_id)
    what = found[0].name if len(found) == 1 else f"functions-{account_id}"
    return HttpResponse(
        exchange.pack(found),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{what}-{timezone.now():%Y-%m-%d}.zip"',
            "Cache-Control": "private, no-store",
        },
    )


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def import_functions(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """Show first what would change; what can be imported comes again with the decision."""
    if request.method == "GET":
        return _form(request, ArchiveForm())
    if "carried" in request.POST:
        return _carry_out(request, account_id)
    form = ArchiveForm(request.POST, request.FILES)
    if not form.is_valid():
        return _form(request, form)
    return _preview(request, form.cleaned_data["archive"])


def _form(request: ConsoleRequest, form: ArchiveForm) -> HttpResponse:
    codes = [error.code for errors in form.errors.as_data().values() for error in errors]
    return render(
        request,
        "functions/import.html",
        {"form": form, "code": next((each for each in codes if each != "required"), "")},
        status=422 if form.errors else 200,
    )


def _carry_out(request: ConsoleRequest, account_id: str) -> HttpResponse:
    form = DecisionForm(request.POST)
    form.is_valid()
    found = form.cleaned_data.get("carried")
    if found is None:
        empty = ArchiveForm()
        return render(
            request,
            "functions/import.html",
            {"form": empty, "problem": form.errors["carried"][0], "code": "not-an-archive"},
            status=422,
        )
    if "chosen" in form.errors:
        return _preview(request, found, problem=str(form.errors["chosen"][0]), status=422)
    done = exchange.carry_out(
        account_id, found, form.cleaned_data["chosen"], by=request.user.get_username()
    )
    imported = [each for each in done if not each.code]
    failed = {each.name: each.reason for each in done if each.code}
    if imported:
        messages.success(request, _say(imported))
    if not failed:
        return redirect("functions:list", account_id)
    return _preview(request, found, failed=failed, status=409)


def _say(imported: Sequence[exchange.Done]) -> str:
    new = sum(each.is_new for each in imported)
    parts = [(new, "new"), (len(imported) - new, "changed")]
    told = " and ".join(f"{count} {word}" for count, word in parts if count)
    if len(imported) == 1:
        return f'"{imported[0].name}" is imported as a draft: nothing is deployed'
    return f"{len(imported)} functions are imported as drafts, {told}: nothing is deployed"


def _preview(
    request: ConsoleRequest,
    found: Sequence[exchange.Folder | exchange.Refused],
    *,
    failed: dict[str, str] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    findings = exchange.compare(request.account_id, found, by=request.user.get_username())
    try:
        carried = exchange.to_form(findings)
    except exchange.TooLargeError as error:
        form = ArchiveForm()
        context = {"form": form, "problem": str(error), "code": error.code}
        return render(request, "functions/import.html", context, status=422)
    failed = failed or {}
    rows = [_row(each, failed.get(each.name, "")) for each in findings]
    count = Function.objects.filter(account_id=request.account_id).count()
    new = sum(each.standing is Standing.NEW for each in findings)
    context = {
        "possible": [row for row in rows if row.finding.possible],
        "unchanged": [row for row in rows if row.finding.standing is Standing.UNCHANGED],
        "refused": [row for row in rows if row.finding.standing is Standing.REFUSED],
        "counts": _counts(findings),
        "carried": carried,
        "problem": problem,
        "failed": len(failed),
        "open": sum(bool(row.hunks) for row in rows) <= OPEN_AT_MOST,
        "room": services.MAX_FUNCTIONS - count,
        "limit": services.MAX_FUNCTIONS,
        "too_many": new > services.MAX_FUNCTIONS - count,
    }
    return render(request, "functions/import.html", context, status=status)


def _counts(findings: Iterable[Finding]) -> str:
    """What stands above the list: "2 new, 1 unchanged"."""
    standings = [each.standing for each in findings]
    counted = [(standings.count(each), each.value.lower()) for each in Standing]
    return ", ".join(f"{count} {word}" for count, word in counted if count)


def _row(finding: Finding, failed: str) -> Row:
    folder, function = finding.folder, finding.function
    if not finding.possible or folder is None:
        return Row(finding, failed=failed)
    if function is None:
        code = folder.code.removesuffix("\n")
        return Row(
            finding,
            hunks=difference("", code),
            changes=comparing.compare_variables({}, folder.environment or {}),
            lines=summary("", code).lstrip("+"),
            failed=failed,
        )
    told = folder.description
    return Row(
        finding,
        hunks=difference(function.code, folder.code),
        changes=comparing.compare_variables(
            function.environment,
            function.environment if folder.environment is None else folder.environment,
        ),
        description=(function.description, told)
        if told is not None and told != function.description
        else None,
        lines=summary(function.code, folder.code),
        failed=failed,
    )
