"""Writing an archive of folders."""

import datetime as dt
import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Final

from functions.exchange import folders
from functions.models import Function

ROOT: Final = "functions"
# What a zip file can say of a time, and rights to read for everybody.
_EARLIEST: Final = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
_READABLE: Final = 0o644 << 16


def pack(functions: Iterable[Function]) -> bytes:
    """An archive with the draft of each function in `functions/<name>/`."""
    return zip_folders(
        (f"{ROOT}/{each.name}", folders.write(each), each.updated_at) for each in functions
    )


def zip_folders(found: Iterable[tuple[str, Mapping[str, str], dt.datetime]]) -> bytes:
    """A zip file of text files; each folder comes with its path, its files and when it changed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, files, changed_at in found:
            moment = max(changed_at, _EARLIEST).timetuple()[:6]
            for name, content in sorted(files.items()):
                entry = zipfile.ZipInfo(f"{path}/{name}" if path else name, moment)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = _READABLE
                archive.writestr(entry, content)
    return packed.getvalue()
