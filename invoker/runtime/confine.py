"""What holds a sandbox when Deno's own permissions do not: rlimits, Landlock and seccomp.

All of it is applied by the process to itself between fork and exec, needs no privilege, and can
only be tightened afterwards. A layer that the kernel does not have is left out and reported.
Sources: landlock(7), seccomp(2), prctl(2), the kernel's syscall tables.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import stat
import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from invoker.runtime.results import LAYERS

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

# V8 maps a code range of 512 MB as writable, so this much data a process has before any code runs.
BASE_DATA_MB = 560
# Room for buffers beside the JavaScript heap.
EXTRA_DATA_MB = 96
OPEN_FILES = 256
_CAPABILITIES = 64  # more than there are
# Under memory pressure the kernel ends sandboxes before anything of ours.
OOM_SCORE = "800"


@dataclass(frozen=True, slots=True)
class Rules:
    """What one sandbox may touch. Paths that do not exist are skipped."""

    memory_mb: int
    executable: tuple[str, ...]
    readable: tuple[str, ...]
    writable: tuple[str, ...] = ("/dev/null",)
    sockets_in: tuple[str, ...] = ()  # directories to make sockets in

    def with_sockets_in(self, directory: str) -> "Rules":
        return replace(self, sockets_in=(directory,))


def apply(
    rules: Rules, layers: Collection[str] = LAYERS, *, parent: int | None = None
) -> dict[str, bool]:
    """Confine this process for good, with those layers, and say which took.

    The caller must be single-threaded: the signal of the parent's death is bound to the thread
    that forked. With `parent` this process ends if it has died before that.
    """
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
    # In this order: seccomp would refuse what the others do.
    return {name: name in layers and _APPLY[name](rules) for name in LAYERS}


def set_share(pid: int, nice: int) -> bool:
    """Give a session of processes its share of the CPU, as nice values from -20 to 19.

    Between sessions only the nice value of the group counts, not those of the processes.
    False when the kernel has no groups for sessions. Source: sched(7), the autogroup feature.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))
    except OSError:
        return False
    return True


def hide() -> None:
    """Keep other processes of this user from reading this one's memory and environment."""
    _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _no_new_privs(_rules: Rules) -> bool:
    """No privileges to be won by executing something, and none of root's either.

    A program that root executes has the capabilities that are in this set.
    """
    for capability in range(_CAPABILITIES):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    took: bool = _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    return took


def _limit(rules: Rules) -> bool:
    data_bytes = (BASE_DATA_MB + rules.memory_mb + EXTRA_DATA_MB) << 20
    try:
        for what, most in (
            (resource.RLIMIT_DATA, data_bytes),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(what, (most, most))
    except (ValueError, OSError):
        return False
    # What a hidden parent left behind would make these files root's.
    _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    return True


# --- Landlock: which paths exist for the process -------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1
_MAKE_SOCKET = 1 << 9
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_BIND_TCP = 1
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def _landlock(rules: Rules) -> bool:
    version = _libc.syscall(
        _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)
    )
    if version < 1:
        return False
    handled = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        handled |= right if version >= since else 0
    scoped = _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    # No port may be listened on: no rule allows one.
    network = _BIND_TCP if version >= 4 else 0
    attributes = struct.pack("QQQ", handled, network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    try:
        _allow(ruleset, rules.executable, (_EXECUTE | _READ_FILE | _READ_DIR) & handled)
        _allow(ruleset, rules.readable, (_READ_FILE | _READ_DIR) & handled)
        _allow(ruleset, rules.writable, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & handled)
        _allow(ruleset, rules.sockets_in, _MAKE_SOCKET)
        restricted: bool = _libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)) == 0
    finally:
        os.close(ruleset)
    return restricted


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if not stat.S_ISDIR(os.fstat(handle).st_mode):
                rights &= ~_READ_DIR
            rule = struct.pack("=QI", rights, handle)
            _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint32(0))
        finally:
            os.close(handle)


# --- seccomp: which system calls exist -----------------------------------------------------------

_REFUSED = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "fork": 57, "vfork": 58,
        "execveat": 322, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
        "bpf": 321, "perf_event_open": 298, "keyctl": 250, "add_key": 248, "request_key": 249,
        "kexec_load": 246, "init_module": 175, "finit_module": 313, "delete_module": 176,
        "unshare": 272, "setns": 308, "userfaultfd": 323, "io_uring_setup": 425,
        "open_by_handle_at": 304, "name_to_handle_at": 303, "pidfd_getfd": 438, "pidfd_open": 434,
        "pidfd_send_signal": 424, "kcmp": 312, "reboot": 169, "swapon": 167, "quotactl": 179,
        "acct": 163, "settimeofday": 164, "clock_settime": 227, "memfd_secret": 447,
        "fsopen": 430, "fsmount": 432, "move_mount": 429, "open_tree": 428,
        "process_madvise": 440, "tkill": 200, "kill": 62, "setrlimit": 160, "shmget": 29,
        "shmat": 30, "msgget": 68, "semget": 64, "personality": 135, "ioperm": 173, "iopl": 172,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "execveat": 281,
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "bpf": 280,
        "perf_event_open": 241, "keyctl": 219, "add_key": 217, "request_key": 218,
        "kexec_load": 104, "init_module": 105, "finit_module": 273, "delete_module": 106,
        "unshare": 97, "setns": 268, "userfaultfd": 282, "io_uring_setup": 425,
        "open_by_handle_at": 265, "name_to_handle_at": 264, "pidfd_getfd": 438, "pidfd_open": 434,
        "pidfd_send_signal": 424, "kcmp": 272, "reboot": 142, "swapon": 224, "quotactl": 60,
        "acct": 89, "settimeofday": 170, "clock_settime": 112, "memfd_secret": 447,
        "fsopen": 430, "fsmount": 432, "move_mount": 429, "open_tree": 428,
        "process_madvise": 440, "tkill": 130, "kill": 129, "setrlimit": 164, "shmget": 194,
        "shmat": 196, "msgget": 186, "semget": 190, "personality": 92,
    },
}  # fmt: skip
# Per architecture: its audit number, clone, clone3, socket, prlimit64.
_CALLS = {
    "x86_64": (0xC000003E, 56, 435, 41, 302),
    "aarch64": (0xC00000B7, 220, 435, 198, 261),
}
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_CALL, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NOT_PERMITTED, _NOT_IMPLEMENTED = 0x00050000 | 1, 0x00050000 | 38
_CLONE_THREAD = 0x10000
_X32_CALLS = 0x40000000
_AF_UNIX, _AF_INET = 1, 2


def _seccomp(_rules: Rules) -> bool:
    machine = platform.machine()
    if machine not in _CALLS:
        return False
    program = b"".join(_filter(machine))
    buffer = ctypes.create_string_buffer(program)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    instructions = Program(len(program) // 8, ctypes.addressof(buffer))
    took: bool = _libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(instructions), 0, 0) == 0
    return took


def _filter(machine: str) -> list[bytes]:
    audit, clone, clone3, socket, prlimit64 = _CALLS[machine]
    found = [
        _do(_LOAD, _OFFSET_ARCHITECTURE),
        _if(_JUMP_EQUAL, audit, 1, 0),
        _do(_RETURN, _KILL),
        _do(_LOAD, _OFFSET_CALL),
    ]
    if machine == "x86_64":
        found += [_if(_JUMP_GREATER_EQUAL, _X32_CALLS, 0, 1), _do(_RETURN, _KILL)]
    for call in _REFUSED[machine].values():
        found += [_if(_JUMP_EQUAL, call, 0, 1), _do(_RETURN, _NOT_PERMITTED)]
    # The C library falls back to clone, whose flags can be looked at: threads only.
    found += [_if(_JUMP_EQUAL, clone3, 0, 1), _do(_RETURN, _NOT_IMPLEMENTED)]
    found += [
        _if(_JUMP_EQUAL, clone, 0, 4),
        _do(_LOAD, _OFFSET_FIRST_ARGUMENT),
        _if(_JUMP_SET, _CLONE_THREAD, 1, 0),
        _do(_RETURN, _NOT_PERMITTED),
        _do(_RETURN, _ALLOW),
    ]
    # Its own limits, which it may look at, have the number 0 here; those of its neighbours not.
    found += [
        _if(_JUMP_EQUAL, prlimit64, 0, 4),
        _do(_LOAD, _OFFSET_FIRST_ARGUMENT),
        _if(_JUMP_EQUAL, 0, 1, 0),
        _do(_RETURN, _NOT_PERMITTED),
        _do(_RETURN, _ALLOW),
    ]
    # IPv4 and Unix sockets only: Deno cannot be given deny lists of IPv6 ranges.
    families = (_AF_UNIX, _AF_INET)
    found += [
        _if(_JUMP_EQUAL, socket, 0, 2 + 2 * len(families)),
        _do(_LOAD, _OFFSET_FIRST_ARGUMENT),
    ]
    for family in families:
        found += [_if(_JUMP_EQUAL, family, 0, 1), _do(_RETURN, _ALLOW)]
    return [*found, _do(_RETURN, _NOT_PERMITTED), _do(_RETURN, _ALLOW)]


def _do(code: int, value: int) -> bytes:
    return struct.pack("HBBI", code, 0, 0, value & 0xFFFFFFFF)


def _if(code: int, value: int, then: int, otherwise: int) -> bytes:
    """Compare with `value` and skip that many instructions when it holds, or when not."""
    return struct.pack("HBBI", code, then, otherwise, value & 0xFFFFFFFF)


_APPLY: dict[str, Callable[[Rules], bool]] = {
    "no_new_privs": _no_new_privs,
    "rlimits": _limit,
    "landlock": _landlock,
    "seccomp": _seccomp,
}
