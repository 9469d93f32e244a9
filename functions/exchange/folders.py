"""One function as a folder of two files: `index.js`, its code, and `config.json`, all the rest.

Source: `liveperson-contract.md` §3.4 and liveperson-functions-cli 1.31.13, `pull.view.js` and
`push.controller.js`. A function that is bound to skills carries a key of our own, `skills`, which
`lpf` passes over. `input` is what `lpf invoke` sends: it is written and not read.

FolderError                      has a stable `code`; the message says what to do
├── FileMissingError             one of the two files is not there
├── FileTooLargeError            one of them is larger than what may stand in it
├── NotTextError                 one of them is not UTF-8, or holds a NUL character
├── InvalidConfigError           `config.json` is not JSON, or says what cannot be
└── UnknownEventError            there is no event type of this id
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from functions.models import Function
from functions.services import MAX_CODE
from invoker import events

CODE_FILE: Final = "index.js"
CONFIG_FILE: Final = "config.json"
MAX_BYTES: Final = {CODE_FILE: 4 * MAX_CODE, CONFIG_FILE: 512 * 1024}
NO_EVENT: Final = "No Event"
# What stands in a file where there are no variables.
_V1_PLACEHOLDER: Final = [{"key": "", "value": ""}]
_V2_PLACEHOLDER: Final = {"key": "value"}


class FolderError(Exception):
    """A folder that is no function."""

    code = "folder-error"


class FileMissingError(FolderError):
    code = "file-missing"


class FileTooLargeError(FolderError):
    code = "file-too-large"


class NotTextError(FolderError):
    code = "not-text"


class InvalidConfigError(FolderError):
    code = "invalid-config"


class UnknownEventError(FolderError):
    code = "unknown-event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A function as it is imported. What the folder does not speak of is None."""

    path: str
    name: str
    code: str
    description: str | None = None
    event_type: str | None = None
    environment: dict[str, str] | None = None
    skills: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A folder that cannot be read as a function, and why."""

    path: str
    error: FolderError


class _Variable(msgspec.Struct):
    key: str = ""
    value: str = ""


class _Config(msgspec.Struct, rename="camel"):
    name: str | None = None
    event: str | None = None
    description: str | None = None
    environment_variables: list[_Variable] | dict[str, str] | None = None
    skills: list[str] | None = None


# Writing ------------------------------------------------------------------------------------------


def write(function: Function) -> dict[str, str]:
    """The files of a function's draft, by name."""
    sample = events.sample(function.event_type)
    return _files(
        code=function.code,
        name=function.name,
        event=function.event_type or NO_EVENT,
        description=function.description,
        input={"headers": sample["headers"], "payload": sample["payload"]},
        environmentVariables=_pairs(function.environment) or _V1_PLACEHOLDER,
        **({"skills": function.skills} if function.skills else {}),
    )


def write_again(folder: Folder) -> dict[str, str]:
    """The files of a folder that was read, with what was read of them and no more."""
    told: dict[str, Any] = {}
    if folder.event_type is not None:
        told["event"] = folder.event_type or NO_EVENT
    if folder.environment is not None:
        told["environmentVariables"] = _pairs(folder.environment)
    if folder.skills is not None:
        told["skills"] = folder.skills
    return _files(code=folder.code, name=folder.name, description=folder.description, **told)


def _pairs(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in environment.items()]


def _files(*, code: str, **config: Any) -> dict[str, str]:
    # As JSON.stringify(config, null, 4) writes it.
    return {CONFIG_FILE: json.dumps(config, indent=4, ensure_ascii=False), CODE_FILE: code}


# Reading ------------------------------------------------------------------------------------------


def read(path: str, files: Mapping[str, bytes]) -> Folder:
    """The function in a folder; a file of more than `MAX_BYTES` may have been cut behind them.

    Raises:
        FolderError: it is none.
    """
    for name, most in MAX_BYTES.items():
        if name not in files:
            raise FileMissingError(f'Cannot import "{path or "this folder"}": it has no {name}')
        if len(files[name]) > most:
            raise FileTooLargeError(
                f'Cannot import "{path}": its {name} is larger than {most // 1000:,} kB'
            )
    code, config = (_text(path, name, files[name]) for name in (CODE_FILE, CONFIG_FILE))
    found = _config(path, config)
    return Folder(
        path=path,
        # lpf creates some without a name of their own.
        name=found.name or path.rpartition("/")[2],
        # As the editor sends it: some systems end lines with two characters.
        code=code.replace("\r\n", "\n"),
        description=found.description,
        event_type=_event_type(path, found.event),
        environment=_environment(path, found.environment_variables),
        skills=None if found.skills is None else tuple(found.skills),
    )


def _text(path: str, name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotTextError(
            f'Cannot import "{path}": its {name} is no UTF-8, save it as that'
        ) from error
    if "\0" in text:
        raise NotTextError(f'Cannot import "{path}": its {name} contains a NUL character')
    return text


def _config(path: str, text: str) -> _Config:
    try:
        found = msgspec.json.decode(text, type=_Config)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise InvalidConfigError(
            f'Cannot import "{path}": its {CONFIG_FILE} cannot be read, {error}'
        ) from error
    # An escaped NUL is one that no database takes.
    if "\0" in _all_text(found):
        raise InvalidConfigError(
            f'Cannot import "{path}": its {CONFIG_FILE} contains a NUL character'
        )
    return found


def _all_text(config: _Config) -> str:
    """All that was read of a configuration, one behind the other."""
    variables = config.environment_variables or {}
    pairs = (
        variables.items()
        if isinstance(variables, dict)
        else [(each.key, each.value) for each in variables]
    )
    texts = [config.name, config.event, config.description, *(config.skills or ())]
    return "".join(each or "" for each in [*texts, *(part for pair in pairs for part in pair)])


def _event_type(path: str, event: str | None) -> str | None:
    if not event:
        return None
    event_type = events.NO_EVENT if event == NO_EVENT else event
    if event_type not in events.EVENT_TYPES:
        raise UnknownEventError(
            f'Cannot import "{path}": no event type "{event[:60]}", see Help, Events'
        )
    return event_type


def _environment(
    path: str, variables: list[_Variable] | dict[str, str] | None
) -> dict[str, str] | None:
    if isinstance(variables, dict):
        return {} if variables == _V2_PLACEHOLDER else variables
    if variables is None:
        return None
    environment: dict[str, str] = {}
    for each in variables:
        if each.key in environment:
            raise InvalidConfigError(
                f'Cannot import "{path}": the variable "{each.key[:60]}" is there twice'
            )
        if each.key or each.value:
            environment[each.key] = each.value
    return environment
