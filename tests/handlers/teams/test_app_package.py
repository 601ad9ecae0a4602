"""The app package: manifest and icons."""

import io
import json
import struct
import zipfile
import zlib
from typing import Any

import pytest

from handlers.commands import VERBS
from handlers.teams.app_package import BadPackage, app_package, manifest
from tests.support.teams_activities import CLIENT_ID

# The limits of manifest 1.29, in characters.
LIMITS = {("name", "short"): 30, ("name", "full"): 100, ("description", "short"): 80, ("description", "full"): 4_000}


@pytest.fixture(scope="module")
def package() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(app_package(CLIENT_ID, "0.1.0")))


@pytest.fixture(scope="module")
def described(package: zipfile.ZipFile) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(package.read("manifest.json"))
    return read


def test_package_holds_manifest_and_icons(package: zipfile.ZipFile, described: dict[str, Any]) -> None:
    assert package.testzip() is None
    assert {"manifest.json", *described["icons"].values()} == set(package.namelist())


@pytest.mark.parametrize(("name", "side"), [("color.png", 192), ("outline.png", 32)])
def test_icons_are_png_of_the_required_size(name: str, side: int, package: zipfile.ZipFile) -> None:
    picture = package.read(name)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == (side, side)
    at, pixels = 8, b""
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert struct.unpack(">I", picture[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + data),)
        pixels += data if kind == b"IDAT" else b""
        at += 12 + length
    rows = zlib.decompress(pixels)
    assert len(rows) == side * (1 + 4 * side)
    assert {rows[n * (1 + 4 * side)] for n in range(side)} == {0}


def test_outline_icon_is_white_on_transparent(package: zipfile.ZipFile) -> None:
    picture = package.read("outline.png")
    start = picture.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", picture[start - 8 : start - 4])
    rows = zlib.decompress(picture[start : start + length])
    pixels = [rows[y * 129 + 1 + 4 * x : y * 129 + 5 + 4 * x] for y in range(32) for x in range(32)]
    assert {pixel[:3] for pixel in pixels} == {b"\xff\xff\xff"}
    assert {pixel[3] for pixel in pixels} >= {0, 255}


def test_manifest_matches_schema_limits(described: dict[str, Any]) -> None:
    for (part, name), most in LIMITS.items():
        assert 0 < len(described[part][name]) <= most
    [bot] = described["bots"]
    [listed] = bot["commandLists"]
    assert described["id"] == bot["botId"] == CLIENT_ID
    assert set(bot["scopes"]) == set(listed["scopes"]) == {"personal", "team", "groupChat"}
    assert len(listed["commands"]) <= 12
    for command in listed["commands"]:
        assert len(command["title"]) <= 128
        assert len(command["description"]) <= 128


def test_command_list_holds_only_known_commands(described: dict[str, Any]) -> None:
    for command in described["bots"][0]["commandLists"][0]["commands"]:
        assert VERBS.parse(f"{command['title']} 203.0.113.5").verb == command["title"]


def test_manifest_supports_files(described: dict[str, Any]) -> None:
    assert described["bots"][0]["supportsFiles"] is True


def test_manifest_requests_no_permission(described: dict[str, Any]) -> None:
    assert "authorization" not in described
    assert "webApplicationInfo" not in described


def test_package_is_reproducible() -> None:
    assert app_package(CLIENT_ID, "0.1.0") == app_package(CLIENT_ID, "0.1.0")


@pytest.mark.parametrize(("version", "posts"), [("0.1.0", "0.1.0"), ("1.2.3rc4", "1.2.3"), ("2", "2.0.0")])
def test_manifest_version_has_three_numbers(version: str, posts: str) -> None:
    assert manifest(CLIENT_ID, version)["version"] == posts


@pytest.mark.parametrize(
    ("client_id", "site", "summary"),
    [
        ("mailcheck", "https://example.com", "TEAMS_CLIENT_ID"),
        (CLIENT_ID, "http://example.com", "https"),
        (CLIENT_ID, "", "https"),
    ],
)
def test_invalid_package_input_is_an_error(client_id: str, site: str, summary: str) -> None:
    with pytest.raises(BadPackage, match=summary):
        app_package(client_id, "0.1.0", site)
