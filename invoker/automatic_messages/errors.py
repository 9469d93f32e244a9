"""What can be wrong with a change to automatic messages and idle times.

MessageError                     has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
├── TakenError                   the language or skill is there already
├── LimitError                   there are too many
├── DefaultTextError             a message keeps its default text
└── DocumentError                what was to be imported cannot be read
"""


class MessageError(Exception):
    """Everything is as it was."""

    code = "message-error"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidError(MessageError):
    code = "invalid"


class TakenError(MessageError):
    code = "taken"


class LimitError(MessageError):
    code = "limit-reached"


class DefaultTextError(MessageError):
    code = "default-text"


class DocumentError(MessageError):
    code = "document"
