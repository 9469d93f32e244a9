"""Reading an archive that somebody hands in, which may be broken or made to do harm.

Nothing is ever written to a disk, and no more is unpacked than the files of functions may hold.

ArchiveError                     has a stable `code`; the message says what to do
├── NotAnArchiveError            it is no zip file, or it is damaged
├── TooLargeError                it is larger than may be sent, or unpacks to more
├── TooManyFilesError            it holds more files or folders than are looked at
├── EncryptedError               it needs a password
├── UnsafePathError              a file in it would land outside of it, or is a link
└── NoFunctionsError             no folder in it is a function
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from functions.exchange import folders
from functions.exchange.folders import CODE_FILE, CONFIG_FILE, Folder, Refused

MAX_ARCHIVE: Final = 5 * 1024 * 1024
"""Bytes of a zip file."""
MAX_UNPACKED: Final = 24 * 1024 * 1024
"""Bytes of all the files that are read of it."""
MAX_FILES: Final = 5000
MAX_FOLDERS: Final = 100
# Every entry of a zip file's directory begins with it.
_ENTRY: Final = b"PK\x01\x02"
_ENCRYPTED: Final = 0x1
_PACKINGS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError,
    RuntimeError, ValueError,
)  # fmt: skip
# What systems and tools put beside functions.
_NOT_OURS: Final = frozenset({"node_modules", "__MACOSX"})
_FILES: Final = frozenset({CODE_FILE, CONFIG_FILE})


class ArchiveError(Exception):
    """An archive that nothing is taken from."""

    code = "archive-error"


class NotAnArchiveError(ArchiveError):
    code = "not-an-archive"


class TooLargeError(ArchiveError):
    code = "archive-too-large"


class TooManyFilesError(ArchiveError):
    code = "archive-too-many-files"


class EncryptedError(ArchiveError):
    code = "archive-encrypted"


class UnsafePathError(ArchiveError):
    code = "archive-unsafe-path"


class NoFunctionsError(ArchiveError):
    code = "archive-without-functions"


def read(packed: bytes) -> list[Folder | Refused]:
    """What every folder of functions in a zip file holds, by path.

    Raises:
        ArchiveError: nothing in it can be trusted.
    """
    if len(packed) > MAX_ARCHIVE:
        raise TooLargeError(
            f"Cannot import the archive: it has more than {MAX_ARCHIVE // 1024**2} MiB, leave out "
            "what is no function"
        )
    # Counted before any of them is read: a directory may be all of the file.
    if packed.count(_ENTRY) > MAX_FILES:
        raise TooManyFilesError(
            f"Cannot import the archive: it holds more than {MAX_FILES} files, leave out what is "
            "no function"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            found = _find(archive.infolist())
            contents = _unpack(archive, found)
    except _DAMAGED as error:
        raise NotAnArchiveError(
            "Cannot import the file: it is no zip file, or it is damaged"
        ) from error
    return [_folder(path, files) for path, files in sorted(contents.items())]


def _folder(path: str, files: dict[str, bytes]) -> Folder | Refused:
    try:
        return folders.read(path, files)
    except folders.FolderError as error:
        return Refused(path, error)


Found = dict[str, dict[str, zipfile.ZipInfo]]


def _find(entries: Iterable[zipfile.ZipInfo]) -> Found:
    """The files of functions by folder and name."""
    found: Found = {}
    for entry in entries:
        path = PurePosixPath(_safe(entry))
        strange = (part.startswith(".") or part in _NOT_OURS for part in path.parts)
        if entry.is_dir() or path.name not in _FILES or any(strange):
            continue
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        files = found.setdefault(folder, {})
        if path.name in files:
            raise NotAnArchiveError(f'Cannot import the archive: it holds "{path}" twice')
        files[path.name] = entry
    ours = {
        folder: files
        for folder, files in found.items()
        # A program may have an index.js of its own anywhere.
        if CONFIG_FILE in files or PurePosixPath(folder).parent.name == "functions"
    }
    if not ours:
        raise NoFunctionsError(
            f"Cannot import the archive: no folder in it holds {CONFIG_FILE} and {CODE_FILE}"
        )
    if len(ours) > MAX_FOLDERS:
        raise TooManyFilesError(
            f"Cannot import the archive: it holds {len(ours)} functions, import at most "
            f"{MAX_FOLDERS} at once"
        )
    return ours


def _safe(entry: zipfile.ZipInfo) -> str:
    """The path of an entry, with slashes.

    Raises:
        UnsafePathError: unpacked by others it would not stay where it is unpacked.
    """
    path = entry.filename.replace("\\", "/")
    outside = path.startswith("/") or path[1:2] == ":" or ".." in path.split("/")
    if outside or stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafePathError(
            f'Cannot import the archive: "{entry.filename[:80]}" leads out of it, pack it again'
        )
    return path


def _unpack(archive: zipfile.ZipFile, found: Found) -> dict[str, dict[str, bytes]]:
    left = MAX_UNPACKED
    contents: dict[str, dict[str, bytes]] = {}
    for folder, files in found.items():
        for name, entry in files.items():
            content = _unpack_file(archive, entry, folders.MAX_BYTES[name] + 1)
            left -= len(content)
            if left < 0:
                raise TooLargeError(
                    f"Cannot import the archive: it unpacks to more than {MAX_UNPACKED // 1024**2} "
                    "MiB, import it in parts"
                )
            contents.setdefault(folder, {})[name] = content
    return contents


def _unpack_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The beginning of a file: what it says of its own size is not believed."""
    if entry.flag_bits & _ENCRYPTED:
        raise EncryptedError(
            "Cannot import the archive: it needs a password, pack it again without one"
        )
    if entry.compress_type not in _PACKINGS:
        raise NotAnArchiveError(
            "Cannot import the archive: it is packed in a way that is not read, use plain zip"
        )
    with archive.open(entry) as file:
        return file.read(most)
