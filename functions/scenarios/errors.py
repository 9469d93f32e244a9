"""What can be wrong with a scenario's file."""

from typing import Final

NO_TEXT: Final = "scenario-not-text"
TOO_LONG: Final = "scenario-too-long"
NOT_READABLE: Final = "scenario-not-readable"
ALIAS: Final = "scenario-alias"
KEY_TWICE: Final = "scenario-key-twice"
UNKNOWN_FIELD: Final = "scenario-unknown-field"
MISSING_FIELD: Final = "scenario-missing-field"
BAD_VALUE: Final = "scenario-bad-value"
BAD_ORDER: Final = "scenario-bad-order"
UNKNOWN_TEMPLATE: Final = "scenario-unknown-template"
NOT_PLAYED: Final = "scenario-not-played"
NOT_SIMULATED: Final = "scenario-not-simulated"
UNDER_WAY: Final = "scenario-under-way"
NO_VERSION: Final = "scenario-no-version"


class ScenarioError(Exception):
    """A scenario that cannot be read, saved or recorded.

    `code` is stable. The message names the file, the line where it is known, the field and its
    value, and says what to do.
    """

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
