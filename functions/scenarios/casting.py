"""Who plays in a scenario: the functions that listen, each in one of its versions."""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from functions import gallery
from functions.exchange import folders
from functions.exchange.folders import FolderError
from functions.models import Function, Version
from functions.scenarios import errors
from functions.scenarios.errors import ScenarioError
from invoker import events
from invoker.models import Deployment

DEPLOYED: Final = "deployed"
DRAFT: Final = "draft"


class CastError(FolderError):
    """A folder holds functions that could not all be deployed."""

    code = "functions-overlap"


@dataclass(frozen=True, slots=True)
class Player:
    """A function that listens. `deployment` may be one that never was written down."""

    deployment: Deployment
    version: str

    @property
    def name(self) -> str:
        return self.deployment.function_name


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who listens. `account_id` is "" where they belong to no account."""

    account_id: str
    players: tuple[Player, ...]


def cast(
    account_id: str,
    *,
    drafts: Collection[uuid.UUID] = (),
    versions: Mapping[uuid.UUID, int] | None = None,
    folder: Path | None = None,
) -> Cast:
    """Who plays for an account.

    Args:
        account_id: whose deployed functions play; "" for none.
        drafts: functions that play with their draft, deployed or not.
        versions: functions that play with an older version, by its number.
        folder: functions in `lpf`'s form that play instead of all of the account's.

    Raises:
        FolderError: a folder is no function, or two of them listen to the same.
        ScenarioError: `scenario-no-version`, a function has no such version.
    """
    if folder is not None:
        return Cast(account_id, _of_folder(account_id, folder))
    players = {
        one.function_id: Player(one, DEPLOYED)
        for one in Deployment.objects.filter(account_id=account_id, active=True).order_by(
            "created_at"
        )
    }
    chosen = Function.objects.filter(
        account_id=account_id, pk__in={*drafts, *(versions or {})}
    ).order_by("created_at")
    for function in chosen:
        if versions and function.pk in versions:
            players[function.pk] = _of_version(function, versions[function.pk])
        else:
            players[function.pk] = Player(
                _deployment(function, function.code, function.environment), DRAFT
            )
    return Cast(account_id, tuple(players.values()))


def of_templates(account_id: str, functions: Mapping[str, str]) -> Cast:
    """Templates of the gallery, by the event that they listen to."""
    known = {each.slug: each for each in gallery.load()}
    return Cast(
        account_id,
        tuple(
            Player(
                Deployment(
                    account_id=account_id,
                    function_id=uuid.uuid4(),
                    # A name that a function can have.
                    function_name=slug.replace("-", "_"),
                    event_type=event_type,
                    version=1,
                    code=known[slug].source,
                ),
                "template",
            )
            for event_type, slug in functions.items()
        ),
    )


def _of_version(function: Function, number: int) -> Player:
    found = Version.objects.filter(function=function, number=number).first()
    if found is None:
        raise ScenarioError(
            errors.NO_VERSION, f'Cannot play: function "{function.name}" has no version {number}'
        )
    return Player(_deployment(function, found.code, found.environment), f"version {number}")


def _deployment(function: Function, code: str, environment: dict[str, str]) -> Deployment:
    return Deployment(
        account_id=function.account_id,
        function_id=function.pk,
        function_name=function.name,
        event_type=function.event_type,
        version=function.version,
        code=code,
        environment=environment,
        skills=function.skills,
        created_at=dt.datetime.now(dt.UTC),
    )


# Folders ------------------------------------------------------------------------------------------


def _of_folder(account_id: str, folder: Path) -> tuple[Player, ...]:
    found = sorted(each.parent for each in folder.glob(f"*/{folders.CONFIG_FILE}"))
    if not found:
        # The whole project of lpf, whose functions are in a folder below.
        found = sorted(each.parent for each in folder.glob(f"functions/*/{folders.CONFIG_FILE}"))
    players = [
        Player(_of_files(account_id, folders.read(each.name, _files(each))), "folder")
        for each in found
    ]
    _check_overlap(players)
    if not players:
        raise folders.FileMissingError(
            f'Cannot play: "{folder}" has no folder with a {folders.CONFIG_FILE}'
        )
    return tuple(players)


def _files(folder: Path) -> dict[str, bytes]:
    files = {}
    for name, most in folders.MAX_BYTES.items():
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                files[name] = file.read(most + 1)
    return files


def _of_files(account_id: str, folder: folders.Folder) -> Deployment:
    return Deployment(
        account_id=account_id,
        function_id=uuid.uuid4(),
        function_name=folder.name,
        event_type=folder.event_type or events.NO_EVENT,
        version=1,
        code=folder.code,
        environment=folder.environment or {},
        skills=list(folder.skills or ()),
    )


def _check_overlap(players: list[Player]) -> None:
    """No two functions may listen to one event for the same skill, as in an account."""
    held: dict[tuple[str, str], str] = {}
    for player in players:
        one = player.deployment
        if one.event_type not in events.SINGLE_EVENT_TYPES:
            continue
        for skill in one.skills or [""]:
            others = [
                name
                for (event_type, other), name in held.items()
                if event_type == one.event_type and (other == skill or "" in (skill, other))
            ]
            if others:
                raise CastError(
                    f'Cannot play: "{others[0]}" and "{player.name}" both listen to '
                    f"{one.event_type}, give them skills of their own or leave one out"
                )
        held.update({(one.event_type, skill): player.name for skill in one.skills or [""]})
