"""Why nothing is replayed. See the package for the tree."""


class ReplayError(Exception):
    code = "replay-error"


class InvalidChoiceError(ReplayError):
    code = "invalid-replay"


class ChangedError(ReplayError):
    code = "replay-changed"


class BusyError(ReplayError):
    code = "replay-busy"
