"""Is a logo in the form that mail programs show? SVG Tiny Portable/Secure (draft-svg-tiny-ps-abrotman) and BIMI's limits. Pure.

The profile shuts out everything that runs, moves, links or loads, so a receiver may refuse what is not on its list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
MOST_OCTETS = 32 * 1024
ALLOWED = frozenset(
    {
        *("svg", "title", "desc", "metadata", "defs", "g", "use"),
        *("path", "rect", "circle", "line", "ellipse", "polyline", "polygon"),
        *("linearGradient", "radialGradient", "stop", "solidColor"),
        *("text", "textArea", "font", "glyph", "hkern"),
    }
)
DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
INSTRUCTION = re.compile(r"<\?(?!xml\s)", re.IGNORECASE)
OUTWARD = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)|@import", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def faults(svg: str) -> list[str]:
    """What keeps the logo from being shown, each as the end of “the logo …”; empty where it fits the profile."""
    if len(svg.encode("utf-8", "replace")) > MOST_OCTETS:
        return ["is larger than 32 KB"]
    if DECLARATION.search(svg):  # before any parser sees an entity that grows without end
        return ["has a DOCTYPE or entities"]
    try:
        root = ElementTree.fromstring(svg)
    except (ElementTree.ParseError, ValueError):
        return ["is not well-formed XML"]
    if root.tag != f"{SVG}svg":
        return ["is not an SVG picture"]
    found = [says for says, holds in RULES if holds(root)]
    return [*found, *(["has processing instructions"] if INSTRUCTION.search(svg) else []), *_strange_elements(root)]


def _title(root: ElementTree.Element) -> str:
    title = root.find(f"{SVG}title")
    return "".join(title.itertext()).strip() if title is not None else ""


def _not_square(root: ElementTree.Element) -> bool:
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    if len(box) == 4:
        return not _same(box[2], box[3])
    return not _same(root.get("width", ""), root.get("height", ""))


def _same(width: str, height: str) -> bool:
    numbers = [NUMBER.match(text) for text in (width, height)]
    return all(numbers) and len({float(number[0]) for number in numbers if number}) == 1


def _runs(root: ElementTree.Element) -> bool:
    return any(name.lower().startswith("on") for name, _ in _attributes(root))


def _links_out(root: ElementTree.Element) -> bool:
    return any(
        (name.lower() == "href" and not value.strip().startswith("#")) or name == "base" or OUTWARD.search(value)
        for name, value in _attributes(root)
    )


def _attributes(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for element in root.iter():
        for name, value in element.attrib.items():
            yield name.rpartition("}")[2], value


def _strange_elements(root: ElementTree.Element) -> list[str]:
    names = (element.tag.removeprefix(SVG) for element in _outside_metadata(root))
    strange = dict.fromkeys(name for name in names if name not in ALLOWED)
    return [f"has the element {_plain(name)}, which the profile does not allow" for name in strange]


def _outside_metadata(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Without recursion, for a picture may nest thousands of levels."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        if element.tag != f"{SVG}metadata":
            waiting.extend(reversed(element))


def _plain(name: str) -> str:
    return re.sub(r"\W", "?", name.rpartition("}")[2])[:30]


RULES: Sequence[tuple[str, Callable[[ElementTree.Element], bool]]] = (
    ('is not marked version="1.2"', lambda root: root.get("version") != "1.2"),
    ('is not marked baseProfile="tiny-ps"', lambda root: root.get("baseProfile") != "tiny-ps"),
    ("has no title", lambda root: not _title(root)),
    ("has x or y on its svg element", lambda root: "x" in root.attrib or "y" in root.attrib),
    ("is not square", _not_square),
    ("has event handlers", _runs),
    ("refers to something outside itself", _links_out),
)
