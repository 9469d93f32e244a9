"""How large a request with files may be: it is refused before any of it is kept."""

from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

MAX_UPLOAD: Final = 8 * 1024 * 1024
"""Bytes. What forms take is less, and they say so themselves."""


class BoundedUploadHandler(FileUploadHandler):
    """Stands before those that keep files, and keeps none."""

    def handle_raw_input(
        self,
        input_data: Any,  # noqa: ARG002
        META: dict[str, Any],  # noqa: ARG002, N803 as Django calls it
        content_length: int,
        boundary: Any,  # noqa: ARG002
        encoding: str | None = None,  # noqa: ARG002
    ) -> None:
        if content_length > MAX_UPLOAD:
            raise RequestDataTooBig(f"{content_length} bytes, at most {MAX_UPLOAD} are taken")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:  # noqa: ARG002
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Another handler has the file."""
