"""Validation of a BIMI logo: SVG Tiny PS (draft-svg-tiny-ps-abrotman) and the limits of BIMI.

Pure.

The profile forbids scripts, animation, links and external references; elements that are not on its
list may make a receiver reject the logo.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree

from bot.checks.finding_codes import Problem

SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 32 * 1024
ALLOWED_ELEMENTS = frozenset(
    {
        *("svg", "title", "desc", "metadata", "defs", "g", "use"),
        *("path", "rect", "circle", "line", "ellipse", "polyline", "polygon"),
        *("linearGradient", "radialGradient", "stop", "solidColor"),
        *("text", "textArea", "font", "glyph", "hkern"),
    }
)
DTD = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
PROCESSING_INSTRUCTION = re.compile(r"<\?(?!xml\s)", re.IGNORECASE)
EXTERNAL_REFERENCE = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)|@import", re.IGNORECASE)
SEPARATORS = re.compile(r"[\s,]+")
NOT_IN_NAMES = re.compile(r"\W")
LEADING_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def logo_problems(svg: str) -> list[Problem]:
    """Why clients would not show the logo, by keys of `messages.LOGO_PROBLEMS`; empty if it is valid."""
    if len(svg.encode("utf-8", "replace")) > MAX_BYTES:
        return [Problem("size")]
    if DTD.search(svg):  # before a parser can expand entities
        return [Problem("doctype")]
    try:
        root = ElementTree.fromstring(svg)
    except (ElementTree.ParseError, ValueError):
        return [Problem("xml")]
    if root.tag != f"{SVG}svg":
        return [Problem("not-svg")]
    problems = [Problem(key) for key, applies in RULES if applies(root)]
    return [
        *problems,
        *([Problem("instructions")] if PROCESSING_INSTRUCTION.search(svg) else []),
        *_unknown_elements(root),
    ]


def _title(root: ElementTree.Element) -> str:
    title = root.find(f"{SVG}title")
    return "".join(title.itertext()).strip() if title is not None else ""


def _not_square(root: ElementTree.Element) -> bool:
    view_box = SEPARATORS.split(root.get("viewBox", "").strip())
    if len(view_box) == 4:
        return not _same_length(view_box[2], view_box[3])
    return not _same_length(root.get("width", ""), root.get("height", ""))


def _same_length(width: str, height: str) -> bool:
    numbers = [LEADING_NUMBER.match(text) for text in (width, height)]
    return all(numbers) and len({float(number[0]) for number in numbers if number}) == 1


def _has_event_handlers(root: ElementTree.Element) -> bool:
    return any(name.lower().startswith("on") for name, _ in _attributes(root))


def _has_external_reference(root: ElementTree.Element) -> bool:
    return any(
        (name.lower() == "href" and not value.strip().startswith("#"))
        or name == "base"
        or EXTERNAL_REFERENCE.search(value)
        for name, value in _attributes(root)
    )


def _attributes(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for element in root.iter():
        for name, value in element.attrib.items():
            yield name.rpartition("}")[2], value


def _unknown_elements(root: ElementTree.Element) -> list[Problem]:
    names = (element.tag.removeprefix(SVG) for element in _outside_metadata(root))
    unknown = dict.fromkeys(name for name in names if name not in ALLOWED_ELEMENTS)
    return [Problem("element", {"element": _safe_name(name)}) for name in unknown]


def _outside_metadata(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Walk the elements iteratively: a logo may nest thousands of levels."""
    stack = [root]
    while stack:
        element = stack.pop()
        yield element
        if element.tag != f"{SVG}metadata":
            stack.extend(reversed(element))


def _safe_name(name: str) -> str:
    return NOT_IN_NAMES.sub("?", name.rpartition("}")[2][:30])


RULES: Sequence[tuple[str, Callable[[ElementTree.Element], bool]]] = (
    ("version", lambda root: root.get("version") != "1.2"),
    ("profile", lambda root: root.get("baseProfile") != "tiny-ps"),
    ("title", lambda root: not _title(root)),
    ("position", lambda root: "x" in root.attrib or "y" in root.attrib),
    ("square", _not_square),
    ("events", _has_event_handlers),
    ("external", _has_external_reference),
)
