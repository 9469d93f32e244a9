"""What msgspec has to know of structs before there are threads.

It looks the fields of a struct up at its first use. A second thread that uses the struct meanwhile
finds fields without types, and the process ends with SIGSEGV: seen with msgspec 0.22 in web server
processes that had just been started again under load.
"""

from collections.abc import Iterator

import msgspec


def look_up_all() -> None:
    """Have the fields of every struct looked up that is loaded by now."""
    for struct in _below(msgspec.Struct):
        msgspec.json.Decoder(struct)


def _below(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in struct.__subclasses__():
        yield each
        yield from _below(each)
