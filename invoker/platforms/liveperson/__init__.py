"""LivePerson: webhooks or the socket of an agent come in, commands go out by either way back.

Webhooks: `webhooks`, and `invoker.platforms.callbacks` for the way back. The agent socket: one
process holds it (`supervisor`, `holder`, `live`), whose workers hand it commands (`delivery`).
"""

from invoker.platforms.liveperson.supervisor import Supervisor, wanted
from invoker.platforms.liveperson.timing import Timing
from invoker.platforms.liveperson.webhooks import LivePerson, read_changes, sign, split

__all__ = ["LivePerson", "Supervisor", "Timing", "read_changes", "sign", "split", "wanted"]
