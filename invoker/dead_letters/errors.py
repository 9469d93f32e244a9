"""What can go wrong: see the package."""


class DeadLetterError(Exception):
    code = "dead-letter-error"


class NotWaitingError(DeadLetterError):
    code = "not-waiting"


class NoteError(DeadLetterError):
    code = "invalid-note"


class PlaceError(DeadLetterError):
    code = "invalid-place"
