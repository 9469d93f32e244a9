"""Functions as files: an archive of folders out, and one in after a look at what it would change.

The folders are those of LivePerson's command line, so that `lpf push` reads what is exported and
what `lpf pull` wrote can be imported. Nothing that is imported is deployed.
"""

from functions.exchange.archives import MAX_ARCHIVE, MAX_FOLDERS, ArchiveError, TooLargeError
from functions.exchange.archives import read as read_archive
from functions.exchange.folders import Folder, FolderError, Refused, write
from functions.exchange.importing import (
    Done,
    Finding,
    Standing,
    carry_out,
    compare,
    from_form,
    to_form,
)
from functions.exchange.packing import pack

__all__ = [
    "MAX_ARCHIVE",
    "MAX_FOLDERS",
    "ArchiveError",
    "Done",
    "Finding",
    "Folder",
    "FolderError",
    "Refused",
    "Standing",
    "TooLargeError",
    "carry_out",
    "compare",
    "from_form",
    "pack",
    "read_archive",
    "to_form",
    "write",
]
