"""Parses multipart/form-data (RFC 7578) with Starlette's parser: in memory, UTF-8, bounded.

The charset that the client names is ignored: some Python codecs take quadratic time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

# RFC 2046, section 5.1.1
BOUNDARY = re.compile(r"""boundary="?([0-9A-Za-z'()+_,./:=?-]{1,70})"?\s*(?:;|$)""", re.I)
CHUNK_BYTES = 64 * 1024  # parsed between two turns of the event loop


class MalformedForm(Exception):
    """The body is not the form that its Content-Type announces."""


@dataclass(frozen=True, slots=True)
class FormLimits:
    """`field_bytes` limits each text field; files are limited by `body_bytes` only."""

    parts: int
    field_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class MultipartForm:
    """Fields in page order, and the contents of the files."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[bytes, ...]


async def parse_multipart(content_type: str, body: bytes, limits: FormLimits) -> MultipartForm:
    """Raises MalformedForm."""
    boundary = BOUNDARY.search(content_type)
    if boundary is None:
        raise MalformedForm("The form names no boundary.")
    parser = MultiPartParser(
        Headers({"content-type": f'multipart/form-data; boundary="{boundary[1]}"'}),
        _chunks(body),
        max_files=limits.parts,
        max_fields=limits.parts,
        max_part_size=limits.field_bytes,
    )
    parser.spool_max_size = limits.body_bytes + 1  # no temporary files on disk
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError, RecursionError):
        raise MalformedForm("The form cannot be read.") from None
    return await _to_form(form)


async def _chunks(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]
        await asyncio.sleep(0)


async def _to_form(form: FormData) -> MultipartForm:
    items = form.multi_items()
    fields = tuple((name, value) for name, value in items if isinstance(value, str))
    files = [await value.read() for _, value in items if isinstance(value, UploadFile)]
    await form.close()
    return MultipartForm(fields, tuple(files))
