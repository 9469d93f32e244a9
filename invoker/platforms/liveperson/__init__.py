"""LivePerson, one of the messaging platforms."""

from invoker.platforms.liveperson.webhooks import LivePerson, read_changes, sign, split

__all__ = ["LivePerson", "read_changes", "sign", "split"]
