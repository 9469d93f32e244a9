"""One conversation: how it stands and what happened; one of the simulator can be played here."""

import hashlib
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from functions import offering
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.conversation_forms import ActForm, StartForm
from functions.views import happening, playing, standing
from functions.views.finding import may_change
from invoker import simulator
from invoker.models import Conversation, Platform
from invoker.simulator import acts
from invoker.simulator.acts import ActError

PAGE = "functions/conversation.html"
LIVE = "functions/conversation_live.html"
START = "functions/conversation_start.html"
SIDES = (playing.CONSUMER, playing.AGENT, playing.PLATFORM)
# The bot and a person may act at the same moment: whoever comes second acts on what is then.
TRIES = 3


@require_GET
def conversation(request: ConsoleRequest, account_id: str, pk: int) -> HttpResponse:
    """The page; asked again by itself, it answers only when something has changed."""
    found = _find(account_id, pk)
    seen = request.GET.get("seen")
    if request.htmx and seen == _fingerprint(found):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    template = LIVE if request.htmx and seen is not None else PAGE
    return render(request, template, _context(request, found))


@require_POST
@requires(DEVELOPER)
def act(request: ConsoleRequest, account_id: str, pk: int) -> HttpResponse:
    """Do something in a simulated conversation; `side` is where it is said if that fails."""
    found = _find(account_id, pk)
    side = request.POST.get("side", "")
    side = side if side in SIDES else playing.PLATFORM
    try:
        _perform(found, ActForm(request.POST), by=request.user.get_username())
    except ActError as error:
        failed = {"side": side, "message": str(error), "code": error.code}
        told = {"typed": request.POST, "failed": failed, "answers": True}
        context = _context(request, _find(account_id, pk)) | told
        return render(
            request,
            LIVE if request.htmx else PAGE,
            context,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )
    if request.htmx:
        return render(request, LIVE, _context(request, _find(account_id, pk)) | {"answers": True})
    here = reverse("functions:conversation", args=[account_id, pk])
    return redirect(f"{here}#{side}")


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def start(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """Begin a conversation of the simulator: as it is typed, or as another one (`again`) began."""
    by = request.user.get_username()
    form = StartForm(initial=_wished(request, account_id))
    if request.method == "POST":
        again = request.POST.get("again", "")
        try:
            if again:
                begun, at = playing.start_again(_find_simulated(account_id, again))
                made = simulator.start(account_id, begun, by=by, starts_at=at)
                return redirect("functions:conversation", account_id, made.pk)
            form = StartForm(request.POST)
            if form.is_valid():
                at = form.cleaned_data["starts_at"]
                made = simulator.start(account_id, form.read(), by=by, starts_at=at)
                there = reverse("functions:conversation", args=[account_id, made.pk])
                return HttpResponseClientRedirect(there) if request.htmx else redirect(there)
        except ActError as error:
            form.is_valid()
            form.add_error(None, str(error))
    context = {
        "form": form,
        "skills": offering.known_skills(account_id),
        "ready": simulator.is_ready(account_id),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, f"{START}#dialog" if request.htmx else START, context, status=status)


def _find(account_id: str, pk: int) -> Conversation:
    """The conversation with its connection, and its simulation where it has one; or 404."""
    found = Conversation.objects.select_related("connection", "simulation")
    return get_object_or_404(found, account_id=account_id, pk=pk)


def _find_simulated(account_id: str, pk: str) -> Conversation:
    """Like `_find`, for an id that somebody sent."""
    found = Conversation.objects.select_related("connection", "simulation")
    wanted = int(pk) if pk.isdecimal() and len(pk) < 19 else 0  # noqa: PLR2004 digits of a key
    return get_object_or_404(found, account_id=account_id, pk=wanted, simulation__isnull=False)


def _perform(found: Conversation, form: ActForm, *, by: str) -> None:
    """Do what was sent.

    Raises:
        ActError: it cannot be done, or nobody can read it.
    """
    if found.simulated is None:
        raise ActError(
            "not-simulated", "Cannot play it: this conversation is one of a messaging platform"
        )
    if not form.is_valid():
        raise ActError("bad-act", "; ".join(_problems(form)))
    for left in reversed(range(TRIES)):
        try:
            return simulator.perform(found, form.read(found), by=by)
        except ActError as error:
            if error.code != "changed" or not left:
                raise
    return None


def _problems(form: ActForm) -> list[str]:
    return [str(error) for errors in form.errors.values() for error in errors]


def _wished(request: ConsoleRequest, account_id: str) -> dict[str, object]:
    """What the form begins with: as the conversation `like` began, or its consumer comes `back`."""
    like, back = request.GET.get("like", ""), request.GET.get("back", "")
    initial: dict[str, object] = {}
    if like:
        begun, at = playing.start_again(_find_simulated(account_id, like))
        initial |= {name: getattr(begun, name) for name in begun.__struct_fields__}
        initial |= {"first_time": "yes" if begun.first_time else "no", "starts_at": at}
        initial["skill"] = "" if begun.skill == acts.Start().skill else begun.skill
        if back:
            initial |= {"first_time": "no", "authenticated": True, "starts_at": None}
    return initial


def _context(request: ConsoleRequest, found: Conversation) -> dict[str, Any]:
    may_play = may_change(request)
    play = playing.draw(found)
    return {
        "conversation": found,
        "connection": found.connection,
        "platform": Platform(found.connection.platform).label,
        "standing": standing.stand(found),
        "happened": happening.of(found),
        "play": play,
        "may_play": may_play,
        "skills": offering.known_skills(found.account_id) if play and may_play else [],
        "busy": _is_busy(found),
        "seen": _fingerprint(found),
        "failed": {},
        "typed": {},
    }


def _is_busy(found: Conversation) -> bool:
    """Whether something is on its way, so that it is worth while to look again at once."""
    now = timezone.now()
    simulation = found.simulated
    if simulation is not None and simulation.goes_to_ms is not None:
        return True
    waits = found.due_at is not None and found.due_at <= now
    return waits or (found.lease_until is not None and found.lease_until > now)


def _fingerprint(found: Conversation) -> str:
    """Something short that changes with whatever the page shows.

    A worker writes under a lease, which each of its transactions renews: the row tells all of it.
    """
    simulation = found.simulated
    shown = (
        found.state_version, found.arrived, found.fence, found.lease_until, found.due_at,
        _is_busy(found), f"{timezone.now():%H%M}",
        (simulation.version, simulation.ahead_ms, simulation.goes_to_ms) if simulation else (),
    )  # fmt: skip
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
