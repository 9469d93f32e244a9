"""A messaging platform inside the console, to play conversations with.

`acts` are what people do, `scene` what comes of it, `shapes` what is known and `telling` how
platforms tell it (all pure); `playing` keeps the conversations and sends what is told through the
same door as any other platform.
"""

from invoker.simulator.acts import ACTS, Act, ActError
from invoker.simulator.playing import (
    CONTENT_TYPE,
    LATEST_MS,
    carry_out,
    cloud_event,
    command_of,
    connect,
    do,
    is_ready,
    pass_time,
    perform,
    request_id,
    start,
)
from invoker.simulator.shapes import NewLine, Person, Played, Scene

__all__ = [
    "ACTS",
    "CONTENT_TYPE",
    "LATEST_MS",
    "Act",
    "ActError",
    "NewLine",
    "Person",
    "Played",
    "Scene",
    "carry_out",
    "cloud_event",
    "command_of",
    "connect",
    "do",
    "is_ready",
    "pass_time",
    "perform",
    "request_id",
    "start",
]
