"""The built-in simulator: the same door as Generic's, and a way back that stays in the house."""

from typing import TYPE_CHECKING

from invoker import simulator
from invoker.platforms.contract import DeliveryError
from invoker.platforms.generic import Generic

if TYPE_CHECKING:
    from invoker.models import Command, Connection


class Simulator(Generic):
    """CloudEvents with LivePerson's data come in; commands show in the panes at once."""

    def deliver(self, connection: "Connection", command: "Command") -> str:
        try:
            return simulator.carry_out(connection, command)
        except simulator.ActError as error:
            # Somebody played at this very moment: what they did may decide anew.
            again = error.code == "changed"
            raise DeliveryError(str(error), permanent=not again, reason=error.code) from error
