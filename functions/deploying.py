"""What serves: deploy, undeploy, roll back. Everything else about a function is in `services`."""

import datetime as dt
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from functions import services
from functions.models import LONGEST_BUILD, Function, Stage, Step
from invoker import calls, runtime
from invoker.models import Deployment

logger = logging.getLogger(__name__)


class BuildError(services.FunctionError):
    code = "build-failed"

    def __init__(self, message: str, problems: list[runtime.Problem]) -> None:
        super().__init__(message)
        self.problems = problems


class DeployError(services.FunctionError):
    code = "deploy-failed"


def deploy(function: Function, *, version: int, by: str, note: str = "") -> Deployment:
    """Build the draft and put it in front of events; what served before is kept for rollback.

    The build checks the code in the engine that will run it and starts it once. An event that
    comes meanwhile runs the old version, one in flight ends on the version it began with.

    Raises:
        BuildError: the draft cannot run, the old version keeps serving.
        DeployError: it cannot be tried out now, the old version keeps serving.
        ConflictError: somebody saved after `version`, so this is not what was reviewed.
        NotAllowedError: a deployment is going on; or somebody deleted, undeployed or rolled back
            the function while it was built, and that stands.
    """
    started_at = time.monotonic()
    begun_at = _begin(function, version)
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
        _give_up(
            function,
            deployment,
            Stage.DEPLOY_ERROR,
            unavailable,
            started_at=started_at,
            begun_at=begun_at,
        )
        raise
    except BaseException:
        _end(function, Stage.DEPLOY_ERROR, begun_at)
        raise
    if problems:
        _give_up(
            function,
            deployment,
            Stage.BUILD_ERROR,
            problems,
            started_at=started_at,
            begun_at=begun_at,
        )
        raise BuildError(f'Cannot deploy "{function.name}": {_name_first(problems)}', problems)
    deployment.active = True
    _serve(function, deployment, "function.deployed", started_at, begun_at=begun_at)
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
    with transaction.atomic():
        serving = Function.objects.filter(pk=function.pk, deployment__isnull=False)
        # A deployment that goes on finds its stage gone, and does not come to serve.
        if not serving.update(deployment=None, stage=Stage.NONE, problems=[]):
            raise services.NotAllowedError(f'Cannot undeploy "{function.name}": it is not deployed')
        retired = _retire(function)
        services.record("function.undeployed", function, by=by, before=retired)
        function.refresh_from_db()


def roll_back(function: Function, deployment: Deployment, *, by: str) -> Deployment:
    """Put an earlier deployment's code back in front of events at once; the draft stays."""
    if deployment.function_id != function.pk:
        raise services.InvalidError(
            "deployment", f'Cannot roll back "{function.name}": not its deployment'
        )
    if deployment.pk == function.deployment_id:
        raise services.NotAllowedError(
            f'Cannot roll back "{function.name}": this one serves already'
        )
    if deployment.failure:
        raise services.NotAllowedError(f'Cannot roll back "{function.name}": this one never served')
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


def _begin(function: Function, version: int) -> dt.datetime:
    """Take the function for a deployment. The moment tells it from others of the function."""
    now = timezone.now()
    # A process that died while it deployed must not keep the function locked for ever.
    free = Function.objects.filter(pk=function.pk, version=version).exclude(
        stage=Stage.DEPLOYING, stage_at__gt=now - LONGEST_BUILD
    )
    started = free.update(stage=Stage.DEPLOYING, stage_at=now, step=Step.CHECKING)
    services.reload(function, f'Cannot deploy "{function.name}"')
    if started:
        return now
    if function.version != version:
        newest = function.versions.get(number=function.version)
        raise services.ConflictError(
            f'Cannot deploy "{function.name}": {newest.saved_by} saved version {newest.number} '
            f"after version {version}, review it first",
            newest,
        )
    raise services.NotAllowedError(f'Cannot deploy "{function.name}": it is being deployed already')


def _serve(
    function: Function,
    deployment: Deployment,
    action: str,
    started_at: float,
    *,
    begun_at: dt.datetime | None = None,
) -> None:
    """Put a deployment in front of events, all or nothing. `action` is what the audit log says.

    One that was built since `begun_at` gives way to whatever somebody has decided in that time.

    Raises:
        NotAllowedError: the function was deleted meanwhile, or somebody decided otherwise.
    """
    refusal = f'Cannot deploy "{function.name}"'
    rows = Function.objects.filter(pk=function.pk)
    if begun_at:
        rows = rows.filter(stage=Stage.DEPLOYING, stage_at=begun_at)
    with transaction.atomic():
        # The function's row first: whoever deletes it waits for this, or this finds it gone.
        done: dict[str, Any] = {"stage": Stage.NONE, "step": Step.SERVING, "problems": []}
        if not rows.update(**done):
            services.reload(function, refusal)
            raise services.NotAllowedError(
                f"{refusal}: somebody undeployed it or rolled it back while it was built, and that "
                "stands"
            )
        retired = _retire(function)
        # Read here and not when the build began: they change without a deployment.
        deployment.skills = Function.objects.values_list("skills", flat=True).get(pk=function.pk)
        deployment.took_ms = (time.monotonic() - started_at) * 1000
        deployment.save()
        Function.objects.filter(pk=function.pk).update(deployment=deployment)
        services.record(
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
    *,
    started_at: float,
    begun_at: dt.datetime,
) -> None:
    """Keep what could not be deployed, with why; the version that serves goes on serving."""
    deployment.failure = BuildError.code if stage == Stage.BUILD_ERROR else DeployError.code
    deployment.problems = [asdict(problem) for problem in problems]
    deployment.took_ms = (time.monotonic() - started_at) * 1000
    with transaction.atomic():
        _end(function, stage, begun_at, problems if stage == Stage.BUILD_ERROR else ())
        deployment.save()
        tried = {"Version": function.version, "Problem": _name_first(problems)}
        services.record("function.deploy-failed", function, by=deployment.created_by, after=tried)


def _name_first(problems: Sequence[runtime.Problem]) -> str:
    first = problems[0]
    return f"{first.message} in line {first.line}" if first.line else first.message


def _end(
    function: Function,
    stage: Stage,
    begun_at: dt.datetime,
    problems: Sequence[runtime.Problem] = (),
) -> None:
    """Leave the stage of a deployment that failed, unless the function has moved on since."""
    mine = Function.objects.filter(pk=function.pk, stage=Stage.DEPLOYING, stage_at=begun_at)
    if mine.update(stage=stage, problems=[asdict(problem) for problem in problems]):
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


def _problem(failure: runtime.Failure) -> runtime.Problem:
    return runtime.Problem(
        code=failure.code,
        message=failure.message,
        line=failure.line,
        column=failure.column,
        severity="error",
    )
