"""What a page of the web chat sends: the fields of a form and the files in it, never more than may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from handlers.ports import Unreadable

LARGEST_FORM = 256 * 1024  # octets; a bounce with its headers is far smaller
LARGEST_UPLOAD = 11 * 2**20  # a log of 10 MB, and what a browser puts around it
MOST_FIELDS = 50
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that came with a form."""

    octets: bytes = field(repr=False)

    async def read(self, most: int) -> bytes:
        """Raises Unreadable."""
        if len(self.octets) > most:
            raise Unreadable(f"The file is larger than {most // 2**20} MB; attach the part of the log that matters.")
        return self.octets


@dataclass(frozen=True, slots=True)
class Form:
    """The fields in the order of the page, and the files that have something in them."""

    fields: tuple[tuple[str, str], ...] = ()
    files: tuple[Uploaded, ...] = ()


async def read_form(request: Request, known: bool) -> Form | None:
    """None where there are too many fields, or they are too long. Only a `known` visitor may send files."""
    kind = request.headers.get("content-type", "")
    uploads = known and kind.startswith(MULTIPART)
    octets = bytearray()
    try:
        async for part in request.stream():
            octets += part
            if len(octets) > (LARGEST_UPLOAD if uploads else LARGEST_FORM):
                return None
        return _multipart(kind, bytes(octets)) if uploads else Form(_fields(octets))
    except (ValueError, ClientDisconnect):
        return None


def _fields(octets: bytearray) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(octets.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS))


def _multipart(kind: str, octets: bytes) -> Form | None:
    """RFC 7578: a form with files has the shape of a mail with attachments."""
    if octets.count(b"\r\nContent-Disposition:") > MOST_FIELDS:
        return None
    letter = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + octets, policy=policy.HTTP)
    fields, files = [], []
    for part in letter.iter_parts():
        content = part.get_payload(decode=True)
        held = content if isinstance(content, bytes) else b""
        if part.get_filename() is not None:
            files += [Uploaded(held)] if held else []
        else:
            name = part.get_param("name", header="content-disposition")
            fields.append((str(name), held.decode("utf-8", "replace")))
    return Form(tuple(fields), tuple(files))
