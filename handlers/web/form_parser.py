"""Parses forms and file uploads within size limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from handlers.ports import FileUnreadable
from handlers.web.multipart_form import FormLimits, parse_multipart

MAX_FORM_BYTES = 256 * 1024  # bytes; a bounce with its headers is far smaller
MAX_UPLOAD_BYTES = 11 * 2**20  # a log of 10 MB plus multipart overhead
MAX_FIELDS = 50
MULTIPART = "multipart/form-data"
LIMITS = FormLimits(MAX_FIELDS, MAX_FORM_BYTES, MAX_UPLOAD_BYTES)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file uploaded with a form."""

    content: bytes = field(repr=False)

    async def read(self, max_bytes: int) -> bytes:
        """Raises FileUnreadable."""
        if len(self.content) > max_bytes:
            raise FileUnreadable(
                f"The file is larger than {max_bytes // 2**20} MB; attach the part of the log that matters."
            )
        return self.content


@dataclass(frozen=True, slots=True)
class Form:
    """Fields in page order, and the non-empty files."""

    fields: tuple[tuple[str, str], ...] = ()
    files: tuple[UploadedFile, ...] = ()


async def read_form(request: Request, allow_files: bool) -> Form | None:
    """The form; None if it has too many fields or is too large. Files need `allow_files`.

    Raises MalformedForm.
    """
    content_type = request.headers.get("content-type", "")
    uploads = allow_files and content_type.startswith(MULTIPART)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > (MAX_UPLOAD_BYTES if uploads else MAX_FORM_BYTES):
                return None
        return await _multipart(content_type, bytes(body)) if uploads else Form(_fields(body))
    except (ValueError, ClientDisconnect):
        return None


def _fields(body: bytearray) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))


async def _multipart(content_type: str, body: bytes) -> Form | None:
    """Raises MalformedForm."""
    if body.count(b"\r\nContent-Disposition:") > MAX_FIELDS:
        return None
    form = await parse_multipart(content_type, body, LIMITS)
    return Form(form.fields, tuple(UploadedFile(content) for content in form.files if content))
