"""What people do about dead letters, and about an event whose commands failed.

Each act asks first and says who will see what of it. Developers and admins may, see
`dead_letters.ROLES`.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from functions.access import ConsoleRequest, requires
from functions.dead_letter_forms import InsistForm, NoteForm, StepForm
from functions.views import drawing
from functions.views.dead_letters import ROLES, Search, find, read
from invoker import dead_letters, giving_up, guards
from invoker.dead_letters import Batch, DeadLetterError, PlaceError
from invoker.models import (
    Command,
    CommandState,
    CommandType,
    Connection,
    DeadLetter,
    Event,
    LetterKind,
    LetterState,
)

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
MANY = "functions/dead_letters_many.html"


# One ----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@requires(*ROLES)
def retry(request: ConsoleRequest, account_id: str, letter_id: uuid.UUID) -> HttpResponse:
    letter = find(account_id, letter_id)
    back = _back(request, account_id, letter)
    form = InsistForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            dead_letters.retry(
                letter, by=request.user.get_username(), insists=form.cleaned_data["insists"]
            )
        except DeadLetterError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "It is tried again: the list says what comes of it")
        return redirect(back)
    facts, stopped = _before(letter.command)
    question: dict[str, object] = {
        "title": f"Retry the {LetterKind(letter.kind).label.lower()}",
        "effect": _effect(letter),
        "instead": facts,
        "button": "Retry it",
    }
    return _ask(request, back, question, form=_insist(stopped))


@require_http_methods(["GET", "POST"])
@requires(*ROLES)
def discard(request: ConsoleRequest, account_id: str, letter_id: uuid.UUID) -> HttpResponse:
    letter = find(account_id, letter_id)
    back = _back(request, account_id, letter)
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            dead_letters.discard(letter, form.cleaned_data["note"], by=request.user.get_username())
        except DeadLetterError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "It is discarded: it can be put back from the discarded ones")
        return redirect(back)
    question: dict[str, object] = {
        "title": f"Discard the {LetterKind(letter.kind).label.lower()}",
        "effect": "Nothing is done about it, and nobody is told of it any more. It stays among the "
        "discarded ones, from where it can be put back.",
        "button": "Discard it",
        "kind": "danger",
    }
    return _ask(request, back, question, form=form)


@require_POST
@requires(*ROLES)
def put_back(request: ConsoleRequest, account_id: str, letter_id: uuid.UUID) -> HttpResponse:
    letter = find(account_id, letter_id)
    try:
        dead_letters.put_back(letter, by=request.user.get_username())
    except DeadLetterError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It waits again")
    return redirect(_back(request, account_id, letter))


@require_http_methods(["GET", "POST"])
@requires(*ROLES)
def redeliver(request: ConsoleRequest, account_id: str, event_id: uuid.UUID) -> HttpResponse:
    """Send again what failed of one event: one command, or all that it can be."""
    found = Event.objects.select_related("conversation__connection", "conversation__simulation")
    event = get_object_or_404(found, account_id=account_id, pk=event_id)
    back = reverse("functions:trace", args=[account_id, event.pk])
    commands = list(dead_letters.redeliverable(event))
    if wish := request.GET.get("command", ""):
        commands = [each for each in commands if str(each.pk) == wish]
    form = InsistForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        one = commands[0].pk if wish and commands else None
        try:
            if wish and one is None:
                raise dead_letters.NotWaitingError(
                    "Cannot redeliver it: it did not fail, or somebody was quicker"
                )
            dead_letters.redeliver(
                event,
                by=request.user.get_username(),
                command_id=one,
                insists=form.cleaned_data["insists"],
            )
        except DeadLetterError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "It is sent again: the trace says what comes of it")
        return redirect(back)
    if not commands:
        messages.info(request, "Nothing of this event is to be sent again")
        return redirect(back)
    for each in commands:
        each.event = event
    facts, stopped = _before(*commands)
    one_only = len(commands) == 1
    question: dict[str, object] = {
        "title": f"Redeliver the {_what(commands[0])}" if one_only else "Redeliver all of this",
        "effect": " ".join(_says(each, event) for each in commands),
        "instead": facts,
        "button": "Redeliver it" if one_only else f"Redeliver all {len(commands)}",
    }
    return _ask(request, back, question, form=_insist(stopped))


# Many ---------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@requires(*ROLES)
def retry_many(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """Ask, then have all that match tried again, a batch with each request."""
    if request.method == "GET":
        search, count = _matching(request.GET, account_id)
        question: dict[str, object] = {
            "title": f"Retry {_many(count)}",
            "effect": "Consumers get these messages now, however long ago they wrote; transfers "
            "and closes are carried out; notifications are read, and events go on where they "
            f"stopped. At most {dead_letters.MOST_AT_ONCE} are under way at a time, so that what "
            "happens now is not held up. A guard still stops what makes no sense any more.",
            "button": f"Retry {_many(count)}",
        }
        return _ask(request, _list(account_id, search.query), question, more=search.wishes)

    def step(search: Search, begun_at: dt.datetime, after: str) -> Batch:
        by = request.user.get_username()
        return dead_letters.retry_some(search.wanted, by=by, begun_at=begun_at, after=after)

    return _go_on(request, account_id, step, acts="retry")


@require_http_methods(["GET", "POST"])
@requires(*ROLES)
def discard_many(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """Ask for a note, then discard all that match, a batch with each request."""
    if request.method == "GET":
        return _ask_to_discard(request, account_id, NoteForm())
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _ask_to_discard(request, account_id, form)

    def step(search: Search, begun_at: dt.datetime, after: str) -> Batch:
        return dead_letters.discard_some(
            search.wanted,
            form.cleaned_data["note"],
            by=request.user.get_username(),
            begun_at=begun_at,
            after=after,
        )

    return _go_on(request, account_id, step, acts="discard")


def _ask_to_discard(request: ConsoleRequest, account_id: str, form: NoteForm) -> HttpResponse:
    search, count = _matching(request.POST if form.is_bound else request.GET, account_id)
    question: dict[str, object] = {
        "title": f"Discard {_many(count)}",
        "effect": "Nothing is done about them, and nobody is told of them any more. They stay "
        "among the discarded ones, from where each can be put back.",
        "button": f"Discard {_many(count)}",
        "kind": "danger",
    }
    back = _list(account_id, search.query)
    return _ask(request, back, question, form=form, more=search.wishes)


def _go_on(
    request: ConsoleRequest,
    account_id: str,
    step: Callable[[Search, dt.datetime, str], Batch],
    *,
    acts: str,
) -> HttpResponse:
    """One batch, and the page that asks for the next by itself."""
    sent = request.POST
    search = read(sent, account_id)
    form = StepForm(sent)
    form.is_valid()
    went = form.cleaned_data
    now = timezone.now()
    begun_at = min(went.get("begun") or now, now)
    total = went.get("total")
    if total is None:
        total = _count(search)
    try:
        batch = step(search, begun_at, sent.get("after", ""))
    except PlaceError as error:
        raise Http404(str(error)) from error
    done = batch.done + (went.get("done") or 0)
    became: dict[str, int] = {}
    if acts == "retry":
        became = dead_letters.progress(account_id, since=begun_at)
    under_way = became.get(LetterState.RETRYING, 0)
    context = {
        "acts": acts,
        "here": request.path,
        "total": max(total, done),
        "done": done,
        "went_through": became.get(LetterState.DONE, 0),
        "failed_again": became.get(LetterState.OPEN, 0),
        "under_way": under_way,
        "more": batch.more or bool(under_way),
        "waits": not batch.done,
        "carried": {
            **search.wishes,
            "note": sent.get("note", ""),
            "begun": begun_at.isoformat(),
            "after": batch.after,
            "total": str(total),
            "done": str(done),
        },
        "back": _list(account_id, search.query),
    }
    return render(request, f"{MANY}#state" if request.htmx else MANY, context)


def _matching(query: QueryDict, account_id: str) -> tuple[Search, int]:
    search = read(query, account_id)
    return search, _count(search)


def _count(search: Search) -> int:
    return search.wanted.rows().filter(state=LetterState.OPEN).count()


def _many(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count:,} dead letters"


# What is asked ------------------------------------------------------------------------------------


def _ask(
    request: ConsoleRequest,
    back: str,
    question: dict[str, object],
    *,
    form: forms.Form | None = None,
    more: dict[str, str] | None = None,
) -> HttpResponse:
    context = {
        # What was looked for is sent along, and not a second time in the address.
        "action": request.path if more else request.get_full_path(),
        "back": back,
        "kind": "main",
        "form": form,
        "carried": more or {},
        **question,
    }
    status = 422 if form is not None and form.is_bound and form.errors else 200
    page = "ui/dialog.html" if request.htmx else "ui/confirm.html"
    return render(request, page, context, status=status)


def _insist(stopped: guards.Stale | None) -> InsistForm | None:
    """The question whether to pass over a guard, where there is one that may be."""
    if stopped is None or stopped.reason in giving_up.NEVER_OVERRULED:
        return None
    return InsistForm()


def _before(*commands: Command | None) -> tuple[list[tuple[str, str]], guards.Stale | None]:
    """Where it goes, what may come twice and what stands in its way: pairs of a word and a text."""
    facts: list[tuple[str, str]] = []
    stopped = None
    for command in commands:
        if command is None:
            continue
        connection = command.event.conversation.connection
        if not facts:
            facts.append(("Goes to", f"{connection.name}, {connection.get_platform_display()}"))
        if command.state == CommandState.UNCERTAIN:
            facts.append(("Maybe twice", _twice(command, connection)))
        if found := dead_letters.obstacle(command):
            stopped = stopped or found
            facts.append(("As things stand", f"The {_what(command)} is stopped: {found.detail}"))
    return facts, stopped


def _twice(command: Command, connection: Connection) -> str:
    return (
        f"It is not known whether the {_what(command)} arrived before. It has the same id again, "
        f"by which {connection.name} can tell a repetition"
    )


def _effect(letter: DeadLetter) -> str:
    if letter.command:
        return _says(letter.command, letter.command.event)
    if letter.event:
        ago = _ago(letter.event)
        if dead_letters.is_begun(letter.event):
            return f"The event goes on where it stopped {ago}: its function has run, and stays so."
        return (
            f"Its function runs now, {ago}, and the consumer gets what it asks for, unless it "
            "makes no sense any more."
        )
    return (
        "It is read again and puts right what is known of the conversation. Events that come of it "
        "run their functions; a message is sent only while somebody expects an answer to what "
        "happened."
    )


def _says(command: Command, event: Event) -> str:
    """Who will see what, in a sentence."""
    drawn, ago = drawing.draw_command(command), _ago(event)
    match command.type:
        case CommandType.MESSAGE:
            return f"The consumer gets this message now, {ago}: “{drawn.text}”"
        case CommandType.TRANSFER:
            where = drawn.label.removeprefix("Transfer to ")
            return f"The conversation moves to {where} now, {ago}."
    return f"The conversation is closed now, {ago}."


def _ago(event: Event) -> str:
    seconds = max((timezone.now() - event.received_at).total_seconds(), 0)
    length_s, unit = next((each for each in UNITS if seconds >= each[0]), (1, "s"))
    return f"{int(seconds // length_s)} {unit} after the event"


def _what(command: Command) -> str:
    known = command.type in CommandType.values
    return CommandType(command.type).label.lower() if known else "command"


# Where it goes on ---------------------------------------------------------------------------------


def _back(request: ConsoleRequest, account_id: str, letter: DeadLetter) -> str:
    """The list as it was filtered, or the page of the letter."""
    back = request.GET.get("back", "")
    if back == "letter":
        return reverse("functions:dead-letter", args=[account_id, letter.pk])
    return _list(account_id, urlencode(parse_qsl(back)))


def _list(account_id: str, query: str) -> str:
    here = reverse("functions:dead-letters", args=[account_id])
    return f"{here}?{query}" if query else here
