"""Every change to a function but what serves: create, save, bind to skills, test, delete.

FunctionError                    has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
│   └── CodeTooLongError         the code has more characters than fit
├── NameTakenError               another function of the account has this name
├── EventTakenError              others have this event, or these skills of it; `holders` are they
├── LimitError                   the account may not have more
├── UnchangedError               there was nothing to save
├── ConflictError                somebody saved a newer version; `newest` is it
├── checking.RejectedError       the code is not even worth saving; `problems` say why
├── deploying.BuildError         the draft cannot be deployed; `problems` say why, with lines
├── deploying.DeployError        the draft may be fine, the sandbox is not to be had
└── NotAllowedError              not in this state
"""

import logging
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from functions import claims, gallery
from functions.models import LONGEST_BUILD, Function, Stage, Version
from invoker import audit, calls, events, runtime, schedules
from invoker.models import SKILL_ID_LENGTH, Deployment

logger = logging.getLogger(__name__)

# Source: `liveperson-contract.md` §4.4.
MAX_FUNCTIONS = 50
MAX_NAME = 50
MAX_DESCRIPTION = 200
MAX_CODE = 100_000
MAX_SKILLS = 500
MAX_VARIABLES = 512
MAX_VARIABLE_NAME = 200
MAX_VARIABLE_VALUE = 1024
RESERVED_VARIABLES = frozenset(
    {"BRAND_ID", "LAMBDA_UUID", "DOMAIN", "DC", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",
     "VAULT_K8S_MOUNT", "VAULT_DOMAIN", "VAULT_SERVICE_ENV", "VAULT_LAMBDA_ROLE",
     "WATCHDOG_VERSION", "NODE_ENV", "X_LIVEPERSON_PROJECT_ID", "X_LIVEPERSON_BRAND_ID",
     "X_LIVEPERSON_FUNCTION_UUID", "X_LIVEPERSON_CSDS_DOMAIN"}
)  # fmt: skip
NAME_PATTERN = re.compile(r"[A-Za-z0-9_]+")
# Commas and spaces separate skills where people type them.
SKILL_PATTERN = re.compile(r"[^\s,]+")
VARIABLE_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class FunctionError(Exception):
    """A change that was not made."""

    code = "function-error"


class InvalidError(FunctionError):
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CodeTooLongError(InvalidError):
    code = "too-long"


class NameTakenError(FunctionError):
    code = "name-taken"


class EventTakenError(FunctionError):
    code = "event-taken"

    def __init__(self, message: str, holders: Sequence[Function]) -> None:
        super().__init__(message)
        self.holders = tuple(holders)


class LimitError(FunctionError):
    code = "limit-reached"


class UnchangedError(FunctionError):
    code = "unchanged"


class ConflictError(FunctionError):
    code = "conflict"

    def __init__(self, message: str, newest: Version) -> None:
        super().__init__(message)
        self.newest = newest


class NotAllowedError(FunctionError):
    code = "not-allowed"


def create(
    account_id: str,
    *,
    name: str,
    description: str,
    event_type: str,
    by: str,
    template: gallery.Template | None = None,
    code: str = "",
    skills: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    note: str = "Created",
    action: str = "function.created",
) -> Function:
    """Make a function with its first version, from a template or from `code`.

    With `skills` it runs only while a conversation has one of them, without for every skill.
    `action` is what the audit log says.

    Raises:
        InvalidError, NameTakenError, EventTakenError, LimitError: nothing was made.
    """
    source = template.source if template else code
    _check_name(name)
    _check_description(description)
    _check_code(source)
    variables = dict(environment or {})
    _check_environment(variables)
    kind = events.EVENT_TYPES.get(event_type)
    if kind is None:
        raise InvalidError("event_type", f'Cannot create "{name}": no event type "{event_type}"')
    if template and template.event_type != event_type:
        raise InvalidError(
            "template", f'Cannot create "{name}": template "{template.name}" is for another event'
        )
    refusal = f'Cannot create "{name}"'
    _check_skills(kind, skills, refusal)
    siblings = Function.objects.filter(account_id=account_id)
    if siblings.count() >= MAX_FUNCTIONS:
        raise LimitError(
            f'Cannot create "{name}": the account has {MAX_FUNCTIONS} functions, delete one first'
        )
    if kind.limit is not None and kind.limit > 1:
        holders = siblings.filter(event_type=event_type)
        if holders.count() >= kind.limit:
            raise EventTakenError(
                f'Cannot create "{name}": {kind.limit} functions have the event "{kind.name}"',
                list(holders.order_by("name")),
            )
    try:
        with transaction.atomic():
            function = Function.objects.create(
                account_id=account_id,
                name=name,
                description=description,
                event_type=event_type,
                skills=sorted(skills),
                code=source,
                environment=variables,
                created_by=by,
                updated_by=by,
            )
            if not claims.take(function):
                raise _taken(function, refusal)
            _keep_version(function, by, note=note)
            about = {"Event": kind.name, "Description": description, "Version": function.version}
            if template:
                about["Template"] = template.name
            if skills:
                about["Skills"] = ", ".join(function.skills)
            if variables:
                about["Variables"] = ", ".join(variables)
            record(action, function, by=by, after=about)
    except IntegrityError as error:
        if siblings.filter(name=name).exists():
            raise _name_taken(name) from error
        unmade = Function(account_id=account_id, event_type=event_type)
        raise _taken(unmade, refusal) from error
    return function


def refusals(
    account_id: str, *, name: str, event_type: str, skills: Sequence[str]
) -> dict[str, str]:
    """What `create` would not take of a new function, by field: for somebody who still types.

    No promise: whoever creates a function in between is found out only by `create`.
    """
    found: dict[str, str] = {}
    siblings = Function.objects.filter(account_id=account_id)
    refusal = f'Cannot create "{name}"'
    try:
        _check_name(name)
        if siblings.filter(name=name).exists():
            raise _name_taken(name)
    except FunctionError as error:
        found["name"] = str(error)
    unmade = Function(account_id=account_id, event_type=event_type, skills=sorted(skills))
    try:
        _check_skills(unmade.event, skills, refusal)
        if event_type in events.SINGLE_EVENT_TYPES:
            others = siblings.filter(event_type=event_type).values_list("skills", flat=True)
            if any(not skills or not theirs or set(skills) & set(theirs) for theirs in others):
                raise _taken(unmade, refusal)
    except FunctionError as error:
        found["skills"] = str(error)
    return found


def change_skills(function: Function, skills: Sequence[str], *, by: str) -> None:
    """Bind a function to other skills; the next event already follows them, deployed or not.

    The draft and its version stay as they are.

    Raises:
        InvalidError: a rule is broken, nothing was changed.
        UnchangedError: the function has these skills already.
        EventTakenError: another function has one of them, or the event.
        NotAllowedError: the function was deleted meanwhile.
    """
    refusal = f'Cannot change the skills of "{function.name}"'
    _check_skills(function.event, skills, refusal)
    wanted = sorted(skills)
    if wanted == function.skills:
        raise UnchangedError(f'Nothing to save: the skills of "{function.name}" have not changed')
    changed = Function(
        pk=function.pk,
        account_id=function.account_id,
        event_type=function.event_type,
        skills=wanted,
    )
    try:
        with transaction.atomic():
            # The function's row first: a deployment that ends now waits and takes these skills.
            found = Function.objects.filter(pk=function.pk).update(
                skills=wanted, updated_at=timezone.now(), updated_by=by
            )
            if not found:
                raise NotAllowedError(f"{refusal}: it was deleted meanwhile")
            claims.release(changed)
            if not claims.take(changed):
                raise _taken(changed, refusal)
            Deployment.objects.filter(function_id=function.pk, active=True).update(skills=wanted)
            record(
                "function.skills-changed",
                function,
                by=by,
                before={"Skills": ", ".join(function.skills) or "all"},
                after={"Skills": ", ".join(wanted) or "all"},
            )
    except IntegrityError as error:
        raise _taken(changed, refusal) from error
    function.refresh_from_db()
    logger.info(
        "skills of function changed",
        extra={"account_id": function.account_id, "function_id": function.pk},
    )


def _name_taken(name: str) -> NameTakenError:
    return NameTakenError(f'Cannot create "{name}": the account has a function of that name')


def _taken(function: Function, refusal: str) -> EventTakenError:
    """Why a function cannot have its skills of its event, with those that have them."""
    others = Function.objects.filter(
        account_id=function.account_id, event_type=function.event_type
    ).exclude(pk=function.pk)
    holders = list(others.order_by("name"))
    whole = [holder for holder in holders if not holder.skills]
    event = f'the event "{function.event.name}"'
    if whole:
        return EventTakenError(f'{refusal}: {event} already has a function, "{whole[0]}"', whole)
    wanted = set(function.skills)
    holders = [one for one in holders if not wanted or wanted.intersection(one.skills)]
    if not holders:
        return EventTakenError(f"{refusal}: {event} is being given to another one, try again", [])
    if not wanted:
        names = ", ".join(f'"{holder}"' for holder in holders)
        return EventTakenError(
            f"{refusal}: {event} has functions for some skills, {names}, so name other skills",
            holders,
        )
    shares = (
        f'"{holder}" has {_name_skills(sorted(wanted.intersection(holder.skills)))}'
        for holder in holders
    )
    return EventTakenError(f"{refusal}: {', '.join(shares)}, so name other skills", holders)


def _name_skills(skills: Sequence[str]) -> str:
    return f"skill {skills[0]}" if len(skills) == 1 else f"skills {', '.join(skills)}"


def save_draft(
    function: Function,
    *,
    version: int,
    code: str,
    description: str,
    environment: dict[str, str],
    by: str,
    note: str = "",
    action: str = "function.saved",
) -> Version:
    """Save the draft as the next version, if nobody has saved since `version`.

    `action` is what the audit log says.

    Raises:
        InvalidError, NotAllowedError: a rule is broken, nothing was saved.
        UnchangedError: the draft is already like this.
        ConflictError: somebody saved a newer version, which is kept as it is.
    """
    return _save(
        function,
        version=version,
        code=code,
        description=description,
        environment=environment,
        by=by,
        note=note,
        action=action,
    )


def save_parts(
    function: Function,
    *,
    by: str,
    version: int | None = None,
    name: str | None = None,
    event_type: str | None = None,
    code: str | None = None,
    description: str | None = None,
    environment: dict[str, str] | None = None,
    skills: Sequence[str] | None = None,
) -> None:
    """Save what is given; what is None stays as it is.

    `version` is the one that the parts were made from. That others have saved since is no conflict
    as long as they left these parts alone, and whoever sends the same again finds it saved. Skills
    are bound at once, see `change_skills`. All of it is saved or nothing.

    Raises:
        InvalidError, NotAllowedError: a rule is broken; the name and the event cannot change.
        UnchangedError: all of it is like this already.
        ConflictError: somebody changed one of the parts since `version`.
        EventTakenError: another function has one of the skills, or the event.
    """
    if name is not None and name != function.name:
        raise InvalidError(
            "name", f'Cannot rename "{function.name}": a function keeps its name, create another'
        )
    if event_type is not None and event_type != function.event_type:
        raise InvalidError(
            "event_type",
            f'Cannot change the event of "{function.name}": a function keeps its event, create '
            "another",
        )
    parts = {"code": code, "description": description, "environment": environment}
    given = {part: value for part, value in parts.items() if value is not None}
    with transaction.atomic():
        reload(function, f'Cannot save "{function.name}"')
        kept = {part: getattr(function, part) for part in parts}
        changed = any(value != kept[part] for part, value in given.items())
        if changed:
            base = _base(function, version, given)
            save_draft(function, version=base, by=by, **(kept | given))
        if skills is not None and sorted(skills) != function.skills:
            change_skills(function, skills, by=by)
        elif not changed:
            raise UnchangedError(f'Nothing to save: "{function.name}" has not changed')


def _base(function: Function, version: int | None, parts: Iterable[str]) -> int:
    """The version to save on: the newest, if nobody has changed these parts since `version`."""
    if version is None or version == function.version:
        return function.version
    seen = function.versions.filter(number=version).first()
    if seen and all(getattr(seen, part) == getattr(function, part) for part in parts):
        return function.version
    return version


def _save(
    function: Function,
    *,
    version: int,
    code: str,
    description: str,
    environment: dict[str, str],
    by: str,
    note: str,
    action: str,
) -> Version:
    _check_description(description)
    _check_code(code)
    _check_environment(environment)
    with transaction.atomic():
        saved = Function.objects.filter(pk=function.pk, version=version).exclude(
            stage=Stage.DEPLOYING, stage_at__gt=timezone.now() - LONGEST_BUILD
        )
        before = saved.values_list("code", "description", "environment").first()
        if before == (code, description, environment):
            raise UnchangedError(f'Nothing to save: "{function.name}" has not changed')
        changed = saved.update(
            code=code,
            description=description,
            environment=environment,
            version=F("version") + 1,
            stage=Stage.NONE,
            problems=[],
            updated_at=timezone.now(),
            updated_by=by,
        )
        reload(function, f'Cannot save "{function.name}"')
        if not changed:
            _explain_refusal(function, version)
        old_description, old_environment = before[1:] if before else ("", {})
        record(
            action,
            function,
            by=by,
            before={
                "Version": version,
                "Description": old_description,
                "Variables": ", ".join(old_environment),
            },
            after={
                "Version": function.version,
                "Description": description,
                "Variables": ", ".join(environment),
            },
            detail=note,
        )
        return _keep_version(function, by, note=note)


def _explain_refusal(function: Function, version: int) -> None:
    if function.version == version:
        raise NotAllowedError(
            f'Cannot save "{function.name}": it is being deployed, try again in a moment'
        )
    newest = function.versions.get(number=function.version)
    raise ConflictError(
        f'Cannot save "{function.name}": {newest.saved_by} saved version {newest.number} after '
        f"version {version}, compare and choose",
        newest,
    )


def restore(function: Function, number: int, *, version: int, by: str) -> Version:
    """Save an older version again as the newest."""
    old = function.versions.filter(number=number).first()
    if old is None:
        raise InvalidError("number", f'Cannot restore "{function.name}": no version {number}')
    return _save(
        function,
        version=version,
        code=old.code,
        description=old.description,
        environment=old.environment,
        by=by,
        note=f"Restored version {number}",
        action="function.restored",
    )


def test(
    function: Function, *, code: str, environment: dict[str, str], event: Any
) -> runtime.Result:
    """Run a draft once, saved or not, in a sandbox of its own. Nothing is recorded or sent.

    Raises:
        InvalidError: the code or the variables break a rule.
    """
    _check_code(code)
    _check_environment(environment)
    program = calls.draft(
        function.account_id, function.pk, function.name, code=code, environment=environment
    )
    return runtime.run(program, event)


def delete(function: Function, *, by: str) -> None:
    """Remove a function with its versions and its schedules. What it did stays in Activity."""
    with transaction.atomic():
        # Written first, so that a deployment that ends now waits and finds the function gone.
        idle = Function.objects.filter(pk=function.pk, deployment=None).exclude(
            stage=Stage.DEPLOYING, stage_at__gt=timezone.now() - LONGEST_BUILD
        )
        if not idle.update(stage=Stage.UNDEPLOYING):
            reload(function, f'Cannot delete "{function.name}"')
            raise NotAllowedError(
                f'Cannot delete "{function.name}": it is deployed, undeploy it first'
            )
        claims.release(function)
        schedules.delete_of(function.pk, by=by)
        about = {"Event": function.event.name, "Description": function.description}
        record("function.deleted", function, by=by, before={**about, "Version": function.version})
        function.delete()


def exists(account_id: str, function_id: uuid.UUID) -> bool:
    """Whether an account has a function, deployed or not."""
    return Function.objects.filter(account_id=account_id, pk=function_id).exists()


def reload(function: Function, refusal: str) -> None:
    """Read the function again.

    Raises:
        NotAllowedError: it was deleted meanwhile.
    """
    try:
        function.refresh_from_db()
    except Function.DoesNotExist as error:
        raise NotAllowedError(f"{refusal}: it was deleted meanwhile") from error


def record(action: str, function: Function, **values: Any) -> None:
    """Write an entry about a function into the audit log, see `audit.record`."""
    audit.record(function.account_id, action, function.name, subject_id=function.pk, **values)


def _keep_version(function: Function, by: str, *, note: str) -> Version:
    return Version.objects.create(
        function=function,
        number=function.version,
        code=function.code,
        environment=function.environment,
        description=function.description,
        saved_by=by,
        note=note,
    )


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name) or len(name) > MAX_NAME:
        raise InvalidError(
            "name",
            f'Cannot use the name "{name[:60]}": use 1 to {MAX_NAME} letters, digits and '
            "underscores",
        )


def _check_description(description: str) -> None:
    if not description.strip() or len(description) > MAX_DESCRIPTION:
        raise InvalidError(
            "description", f"Cannot save: the description must have 1 to {MAX_DESCRIPTION} letters"
        )


def _check_skills(kind: events.EventType, skills: Sequence[str], refusal: str) -> None:
    if skills and not kind.takes_skills:
        raise InvalidError("skills", f'{refusal}: the event "{kind.name}" knows no skills')
    if len(skills) > MAX_SKILLS:
        raise InvalidError(
            "skills", f"{refusal}: it names {len(skills)} skills, at most {MAX_SKILLS} fit"
        )
    for position, skill_id in enumerate(skills):
        if (
            not SKILL_PATTERN.fullmatch(skill_id)
            or not skill_id.isprintable()
            or len(skill_id) > SKILL_ID_LENGTH
        ):
            raise InvalidError(
                "skills",
                f'{refusal}: "{skill_id[:60]}" is no skill, use its id, 1 to {SKILL_ID_LENGTH} '
                "visible characters without commas",
            )
        if skill_id in skills[:position]:
            raise InvalidError("skills", f"{refusal}: skill {skill_id} is there twice")


def _check_code(code: str) -> None:
    if len(code) > MAX_CODE:
        raise CodeTooLongError(
            "code", f"Cannot save: the code has {len(code)} characters, at most {MAX_CODE} fit"
        )
    if "\0" in code:
        raise InvalidError("code", "Cannot save: the code contains a NUL character")


def _check_environment(environment: dict[str, str]) -> None:
    if len(environment) > MAX_VARIABLES:
        raise InvalidError(
            "environment", f"Cannot save: at most {MAX_VARIABLES} environment variables fit"
        )
    for name, value in environment.items():
        if name in RESERVED_VARIABLES:
            raise InvalidError("environment", f'Cannot use the variable "{name}": it is reserved')
        if not VARIABLE_PATTERN.fullmatch(name) or len(name) > MAX_VARIABLE_NAME:
            raise InvalidError(
                "environment",
                f'Cannot use the variable "{name[:60]}": use letters, digits and underscores, '
                f"at most {MAX_VARIABLE_NAME}, and no digit first",
            )
        if len(value) > MAX_VARIABLE_VALUE:
            raise InvalidError(
                "environment",
                f'Cannot use the variable "{name}": its value is longer than '
                f"{MAX_VARIABLE_VALUE} characters",
            )
