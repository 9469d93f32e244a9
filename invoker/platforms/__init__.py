"""The messaging platforms, one module each. To add one, copy the nearest."""

from invoker.platforms.chatwoot import Chatwoot
from invoker.platforms.contract import (
    NO_CALLBACK_URL,
    DeliveryError,
    Derived,
    Incoming,
    Platform,
    RejectedError,
    repair,
)
from invoker.platforms.generic import Generic
from invoker.platforms.liveperson import LivePerson
from invoker.platforms.simulator import Simulator

PLATFORMS: dict[str, Platform] = {
    "chatwoot": Chatwoot(),
    "generic": Generic(),
    "liveperson": LivePerson(),
    "simulator": Simulator(),
}

__all__ = [
    "NO_CALLBACK_URL",
    "PLATFORMS",
    "DeliveryError",
    "Derived",
    "Incoming",
    "Platform",
    "RejectedError",
    "repair",
]
