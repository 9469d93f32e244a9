"""What keeps a function inside its sandbox on this machine, and whether that will do.

Functions of one account are their author's own risk. As soon as there is a second account its
people must not depend on the kindness of the first, so the layers that need nothing of the kernel
are asked for; the two that do are warned about, because not every machine has them.
"""

import logging
from dataclasses import dataclass

from django.db import DatabaseError

from houston.models import Account
from invoker import runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Layer:
    """One part of the confinement; `name` is its key in `runtime.Report.layers`."""

    name: str
    title: str
    stops: str
    way_out: str
    needed_for_several: bool = False


LAYERS = (
    Layer(
        "permissions",
        "Deno's permissions",
        "Reading files and environment variables, starting programs, loading native code, and "
        "connecting to any host that is not on the function's list or lies in a private network",
        "install Houston again",
        needed_for_several=True,
    ),
    Layer(
        "no_new_privs",
        "No new privileges",
        "Becoming another user with the help of a program that may, and what root may do beyond "
        "others where Houston runs as root",
        "run Houston on Linux",
        needed_for_several=True,
    ),
    Layer(
        "rlimits",
        "Resource limits",
        "Taking the machine's memory or file handles from others, writing files, dumping memory",
        "start Houston with higher hard limits (ulimit -Hd, ulimit -Hn)",
        needed_for_several=True,
    ),
    Layer(
        "landlock",
        "Landlock",
        "Every path but the engine and its libraries, and signals to other processes, also for "
        "code that has broken out of the engine",
        "run Houston on Linux 5.13 or newer with Landlock switched on",
    ),
    Layer(
        "seccomp",
        "seccomp",
        "New processes, tracing others, mounts, IPv6 and raw sockets and other system calls that "
        "no function needs, also for code that has broken out of the engine",
        "run Houston on x86-64 or ARM64 Linux, where filters of system calls are allowed",
    ),
)


class LayersMissingError(Exception):
    """Several accounts, and not enough between them."""

    code = "sandbox-layers-missing"


def missing(report: runtime.Report) -> list[Layer]:
    return [layer for layer in LAYERS if not report.layers.get(layer.name, False)]


def why_not_several(report: runtime.Report) -> str:
    """Why functions of several accounts must not run here, with the way out; "" if they may."""
    lacks = [layer for layer in missing(report) if layer.needed_for_several]
    if not lacks:
        return ""
    # Titles stand in the middle of a sentence here.
    names = " and ".join(layer.title[0].lower() + layer.title[1:] for layer in lacks)
    ways = ", and ".join(layer.way_out for layer in lacks)
    return f"the sandbox holds several accounts apart only with {names}, {ways}"


def has_several_accounts() -> bool:
    return Account.objects.all()[1:2].exists()


def check_start() -> None:
    """Before functions run here: refuse what is not safe, and log what is weaker than it could be.

    Where the answer is not to be had now, whatever is wrong says so itself when a function runs,
    and the sandboxes' supervisor serves no second account without these layers.

    Raises:
        LayersMissingError: there are several accounts, and they need more than holds here.
    """
    try:
        report = runtime.report()
        why_not = why_not_several(report)
        if why_not and has_several_accounts():
            raise LayersMissingError(why_not)
    except (runtime.UnavailableError, DatabaseError) as error:
        logger.warning("cannot check the layers of the sandbox: %s", type(error).__name__)
        return
    for layer in missing(report):
        logger.warning("the sandbox lacks %s: %s", layer.title, layer.way_out)
