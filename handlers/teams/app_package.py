"""The Teams app package: manifest and icons in a zip file for an administrator to upload.

Source: "App manifest schema", version 1.29, at learn.microsoft.com/microsoftteams.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from handlers.commands import VERBS
from handlers.verbs import VerbTable

Point = tuple[float, float]
Stroke = tuple[Point, Point]
Color = tuple[int, int, int]

ENVELOPE: tuple[Stroke, ...] = (
    ((0.18, 0.30), (0.82, 0.30)),
    ((0.18, 0.30), (0.18, 0.72)),
    ((0.18, 0.72), (0.48, 0.72)),
    ((0.82, 0.30), (0.82, 0.48)),
    ((0.18, 0.30), (0.50, 0.54)),
    ((0.50, 0.54), (0.82, 0.30)),
)
TICK: tuple[Stroke, ...] = (((0.60, 0.68), (0.69, 0.77)), ((0.69, 0.77), (0.86, 0.58)))
SITE_ADDRESS = re.compile(r"https://[!-~]{1,1900}")
NUMBER = re.compile(r"\d+")
WHITE: Color = (255, 255, 255)
BLUE: Color = (31, 79, 130)


def color_icon() -> bytes:
    """192 × 192 pixels, white on blue, as the manifest requires."""
    return _render(192, BLUE, thickness=0.055)


def outline_icon() -> bytes:
    """32 × 32 pixels, white on transparent."""
    return _render(32, None, thickness=0.07)


def _render(side: int, ground: Color | None, thickness: float) -> bytes:
    rows = [
        [_pixel((x + 0.5) / side, (y + 0.5) / side, side, ground, thickness) for x in range(side)] for y in range(side)
    ]
    return png(rows)


def _pixel(x: float, y: float, side: int, ground: Color | None, thickness: float) -> tuple[int, int, int, int]:
    """White on a stroke, antialiased over one pixel."""
    nearest = min(_distance((x, y), stroke) for stroke in (*ENVELOPE, *TICK))
    cover = min(max((thickness / 2 - nearest) * side + 0.5, 0.0), 1.0)
    if ground is None:
        return (*WHITE, round(255 * cover))
    red, green, blue = (round(under + (over - under) * cover) for under, over in zip(ground, WHITE, strict=True))
    return red, green, blue, 255


def _distance(point: Point, stroke: Stroke) -> float:
    """Distance from a point to a stroke."""
    (x, y), ((ax, ay), (bx, by)) = point, stroke
    dx, dy = bx - ax, by - ay
    along = min(max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0), 1.0)
    return float(((x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2) ** 0.5)


def png(rows: Sequence[Sequence[tuple[int, int, int, int]]]) -> bytes:
    """Encode RGBA rows as PNG (RFC 2083) without filters."""
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(named: tuple[bytes, bytes]) -> bytes:
    name, data = named
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


VERSION = "1.29"
SCHEMA = f"https://developer.microsoft.com/json-schemas/teams/v{VERSION}/MicrosoftTeams.schema.json"
SITE = "https://example.com"  # required; a sideloaded app may name any page
SCOPES = ("personal", "team", "groupChat")
FIXED_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # fixed, so that the package is reproducible


class BadPackage(Exception):
    """The package cannot be built; the message is one sentence that says what to change."""


def app_package(client_id: str, version: str, site: str = SITE, verbs: VerbTable[Any] = VERBS) -> bytes:
    """A zip file with the manifest and its two icons. Raises BadPackage."""
    manifest_json = json.dumps(manifest(client_id, version, site, verbs), indent=2, ensure_ascii=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        parts = (
            ("manifest.json", manifest_json.encode()),
            ("color.png", color_icon()),
            ("outline.png", outline_icon()),
        )
        for name, data in parts:
            package.writestr(zipfile.ZipInfo(name, FIXED_TIMESTAMP), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def manifest(client_id: str, version: str, site: str = SITE, verbs: VerbTable[Any] = VERBS) -> dict[str, Any]:
    """The manifest; requests no permission. Raises BadPackage."""
    bot = _bot_id(client_id)
    home = _web_site(site)
    # Selecting a command inserts its title into the message box.
    commands = [{"title": verb.name, "description": verb.teams} for verb in verbs.rows if verb.teams]
    return {
        "$schema": SCHEMA,
        "manifestVersion": VERSION,
        "version": _three_numbers(version),
        "id": bot,
        "developer": {
            "name": "mailcheck",
            "websiteUrl": home,
            "privacyUrl": f"{home}/privacy",
            "termsOfUseUrl": f"{home}/terms",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "name": {"short": "mailcheck", "full": "mailcheck: can this server send mail?"},
        "description": {
            "short": "Blocklists, PTR, SPF, DMARC, and the one next step.",
            "full": (
                "Type an address, a domain, or both. mailcheck says within a second or two"
                " whether the address is on a blocklist, whether its PTR record, SPF, DMARC and"
                " MX are valid, and what to do next. Watched addresses are checked every hour,"
                " and the conversation is alerted when something changes."
            ),
        },
        "accentColor": "#1F4F82",
        "bots": [
            {
                "botId": bot,
                "scopes": list(SCOPES),
                "isNotificationOnly": False,
                "supportsFiles": True,
                "commandLists": [{"scopes": list(SCOPES), "triggers": ["mention"], "commands": commands}],
            }
        ],
        "supportsChannelFeatures": "tier1",
        "defaultInstallScope": "team",
        "validDomains": [],
    }


def _bot_id(client_id: str) -> str:
    try:
        return str(UUID(client_id))
    except ValueError:
        raise BadPackage("TEAMS_CLIENT_ID is not the id of an app, which looks like 1a2b3c4d-….") from None


def _web_site(site: str) -> str:
    if not SITE_ADDRESS.fullmatch(site):
        raise BadPackage("The site must be a web address that starts with https://.")
    return site.rstrip("/")


def _three_numbers(version: str) -> str:
    """Version without pre-release, which Teams rejects: `0.2.0rc1` becomes `0.2.0`."""
    return ".".join([*NUMBER.findall(version), "0", "0", "0"][:3])
