"""Every change to a function: create, save, bind to skills, test, deploy, undeploy, delete.

FunctionError                    has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
├── NameTakenError               another function of the account has this name
├── EventTakenError              others have this event, or these skills of it; `holders` are they
├── LimitError                   the account may not have more
├── UnchangedError               there was nothing to save
├── ConflictError                somebody saved a newer version; `newest` is it
├── BuildError                   the draft cannot be deployed; `problems` say why, with lines
├── DeployError                  the draft may be fine, the sandbox is not to be had
└── NotAllowedError              not in this state
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from functions import claims, gallery
from functions.models import LONGEST_BUILD, Function, Stage, Step, Version
from invoker import audit, calls, events, runtime
from invoker.models import SKILL_ID_LENGTH, Deployment

logger = logging.getLogger(__name__)

# Source: `liveperson-contract.md` §4.4.
MAX_FUNCTIONS = 50
MAX_NAME = 50
MAX_DESCRIPTION = 200
MAX_CODE = 100_000
MAX_SKILLS = 50
MAX_VARIABLES = 50
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


class BuildError(FunctionError):
    code = "build-failed"

    def __init__(self, message: str, problems: list[runtime.Problem]) -> None:
        super().__init__(message)
        self.problems = problems


class DeployError(FunctionError):
    code = "deploy-failed"


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
            _record(action, function, by=by, after=about)
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
            _record(
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
        function.refresh_from_db()
        if not changed:
            _explain_refusal(function, version)
        old_description, old_environment = before[1:] if before else ("", {})
        _record(
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


def deploy(function: Function, *, version: int, by: str, note: str = "") -> Deployment:
    """Build the draft and put it in front of events; what served before is kept for rollback.

    The build checks the code in the engine that will run it and starts it once. An event that
    comes meanwhile runs the old version, one in flight ends on the version it began with.

    Raises:
        BuildError: the draft cannot run, the old version keeps serving.
        DeployError: it cannot be tried out now, the old version keeps serving.
        ConflictError: somebody saved after `version`, so this is not what was reviewed.
        NotAllowedError: a deployment is going on.
    """
    started_at = time.monotonic()
    _begin(function, version, Stage.DEPLOYING)
    deployment = Deployment(
        account_id=function.account_id,
        function_id=function.pk,
        function_name=function.name,
        event_type=function.event_type,
        version=function.version,
        code=function.code,
        environment=function.environment,
        created_by=by,
        note=note,
    )
    try:
        problems = _build(deployment)
    except DeployError as error:
        unavailable = [runtime.Problem(error.code, str(error))]
        _give_up(function, deployment, Stage.DEPLOY_ERROR, unavailable, started_at)
        raise
    except BaseException:
        _end(function, Stage.DEPLOY_ERROR)
        raise
    if problems:
        _give_up(function, deployment, Stage.BUILD_ERROR, problems, started_at)
        raise BuildError(f'Cannot deploy "{function.name}": {_name_first(problems)}', problems)
    deployment.active = True
    _serve(function, deployment, "function.deployed", started_at)
    logger.info(
        "function deployed",
        extra={"account_id": function.account_id, "function_id": function.pk, "version": version},
    )
    return deployment


def _build(deployment: Deployment) -> list[runtime.Problem]:
    """Check a deployment's code and start it once. What is wrong with it, nothing if it runs."""
    errors = [one for one in runtime.check(deployment.code) if one.severity == "error"]
    unavailable = [one.message for one in errors if one.code in runtime.PLATFORM_PROBLEMS]
    if not errors:
        Function.objects.filter(pk=deployment.function_id).update(step=Step.STARTING)
        failed = runtime.prewarm(calls.program(deployment))
        if failed is None or failed.failure is None:
            return []
        errors = [_problem(failed.failure)]
        if failed.outcome == runtime.Outcome.PLATFORM_FAILURE:
            unavailable = [failed.failure.message]
    if unavailable:
        raise DeployError(f'Cannot deploy "{deployment.function_name}": {unavailable[0]}')
    return errors


def undeploy(function: Function, *, by: str) -> None:
    """Take a function out of service: its event gets the automatic message from now on."""
    if function.deployment is None:
        raise NotAllowedError(f'Cannot undeploy "{function.name}": it is not deployed')
    with transaction.atomic():
        retired = _retire(function)
        Function.objects.filter(pk=function.pk).update(
            deployment=None, stage=Stage.NONE, problems=[]
        )
        _record("function.undeployed", function, by=by, before=retired)
    function.refresh_from_db()


def roll_back(function: Function, deployment: Deployment, *, by: str) -> Deployment:
    """Put an earlier deployment's code back in front of events at once; the draft stays."""
    if deployment.function_id != function.pk:
        raise InvalidError("deployment", f'Cannot roll back "{function.name}": not its deployment')
    if deployment.pk == function.deployment_id:
        raise NotAllowedError(f'Cannot roll back "{function.name}": this one serves already')
    if deployment.failure:
        raise NotAllowedError(f'Cannot roll back "{function.name}": this one never served')
    started_at = time.monotonic()
    again = Deployment(
        account_id=function.account_id,
        function_id=function.pk,
        function_name=function.name,
        event_type=function.event_type,
        version=deployment.version,
        code=deployment.code,
        environment=deployment.environment,
        created_by=by,
        note=f"Rolled back to version {deployment.version}",
        active=True,
    )
    _serve(function, again, "function.rolled-back", started_at)
    runtime.prewarm(calls.program(again))
    return again


def delete(function: Function, *, by: str) -> None:
    """Remove a function with its versions. What it did stays in Activity."""
    with transaction.atomic():
        # Written first, so that a deployment that ends now waits and finds the function gone.
        idle = Function.objects.filter(pk=function.pk, deployment=None).exclude(
            stage=Stage.DEPLOYING, stage_at__gt=timezone.now() - LONGEST_BUILD
        )
        if not idle.update(stage=Stage.UNDEPLOYING):
            raise NotAllowedError(
                f'Cannot delete "{function.name}": it is deployed, undeploy it first'
            )
        claims.release(function)
        about = {"Event": function.event.name, "Description": function.description}
        _record("function.deleted", function, by=by, before={**about, "Version": function.version})
        function.delete()


def _begin(function: Function, version: int, stage: Stage) -> None:
    now = timezone.now()
    # A process that died while it deployed must not keep the function locked for ever.
    free = Function.objects.filter(pk=function.pk, version=version).exclude(
        stage=Stage.DEPLOYING, stage_at__gt=now - LONGEST_BUILD
    )
    started = free.update(stage=stage, stage_at=now, step=Step.CHECKING)
    function.refresh_from_db()
    if started:
        return
    if function.version != version:
        newest = function.versions.get(number=function.version)
        raise ConflictError(
            f'Cannot deploy "{function.name}": {newest.saved_by} saved version {newest.number} '
            f"after version {version}, review it first",
            newest,
        )
    raise NotAllowedError(f'Cannot deploy "{function.name}": it is being deployed already')


def _serve(function: Function, deployment: Deployment, action: str, started_at: float) -> None:
    """Put a deployment in front of events, all or nothing. `action` is what the audit log says.

    Raises:
        NotAllowedError: the function was deleted meanwhile.
    """
    with transaction.atomic():
        # The function's row first: whoever deletes it waits for this, or this finds it gone.
        done: dict[str, Any] = {"stage": Stage.NONE, "step": Step.SERVING, "problems": []}
        if not Function.objects.filter(pk=function.pk).update(**done):
            raise NotAllowedError(f'Cannot deploy "{function.name}": it was deleted meanwhile')
        retired = _retire(function)
        # Read here and not when the build began: they change without a deployment.
        deployment.skills = Function.objects.values_list("skills", flat=True).get(pk=function.pk)
        deployment.took_ms = (time.monotonic() - started_at) * 1000
        deployment.save()
        Function.objects.filter(pk=function.pk).update(deployment=deployment)
        _record(
            action,
            function,
            by=deployment.created_by,
            before=retired,
            after={"Live version": deployment.version, "Deployment": str(deployment.pk)},
            detail=deployment.note,
        )
    function.refresh_from_db()


def _give_up(
    function: Function,
    deployment: Deployment,
    stage: Stage,
    problems: list[runtime.Problem],
    started_at: float,
) -> None:
    """Keep what could not be deployed, with why; the version that serves goes on serving."""
    deployment.failure = BuildError.code if stage == Stage.BUILD_ERROR else DeployError.code
    deployment.problems = [asdict(problem) for problem in problems]
    deployment.took_ms = (time.monotonic() - started_at) * 1000
    with transaction.atomic():
        _end(function, stage, problems if stage == Stage.BUILD_ERROR else None)
        deployment.save()
        tried = {"Version": function.version, "Problem": _name_first(problems)}
        _record("function.deploy-failed", function, by=deployment.created_by, after=tried)


def _name_first(problems: Sequence[runtime.Problem]) -> str:
    first = problems[0]
    return f"{first.message} in line {first.line}" if first.line else first.message


def _end(function: Function, stage: Stage, problems: list[runtime.Problem] | None = None) -> None:
    Function.objects.filter(pk=function.pk).update(
        stage=stage, problems=[asdict(problem) for problem in problems or []]
    )
    function.refresh_from_db()


def _retire(function: Function) -> dict[str, Any]:
    """Take what serves out of service, and say for the audit log what that was."""
    serving = Deployment.objects.filter(function_id=function.pk, active=True)
    retired: dict[str, Any] = {}
    for pk, version in list(serving.values_list("pk", "version")):
        retired = {"Live version": version, "Deployment": str(pk)}
        transaction.on_commit(partial(runtime.retire, str(pk)))
    serving.update(active=False, retired_at=timezone.now())
    return retired


def _record(action: str, function: Function, **values: Any) -> None:
    audit.record(function.account_id, action, function.name, subject_id=function.pk, **values)


def _problem(failure: runtime.Failure) -> runtime.Problem:
    return runtime.Problem(
        code=failure.code,
        message=failure.message,
        line=failure.line,
        column=failure.column,
        severity="error",
    )


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
        raise InvalidError(
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
