"""Validation of logos against SVG Tiny PS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.bimi.indicator import ALLOWED_ELEMENTS, MAX_BYTES, logo_problems
from bot.checks.bimi.messages import LOGO_PROBLEMS
from tests.bot.checks.bimi.logos import ROOT, TITLE, logo

FITTING = [
    logo(),
    logo(root=ROOT.replace('viewBox="0 0 64 64"', 'width="64px" height="64px"')),
    logo(root=ROOT.replace("0 0 64 64", "0,0,64.0,64")),
    logo('<defs><linearGradient id="g"><stop offset="0"/></linearGradient></defs><rect fill="url(#g)"/>'),
    logo('<defs><path id="p"/></defs><use xlink:href="#p"/><!-- a comment -->'),
    logo("<metadata><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></metadata>"),
    "\ufeff" + logo().partition("\n")[2],
]
FAULTY = [
    (logo(f"<desc>{'x' * MAX_BYTES}</desc>"), "is larger than 32 KB"),
    (logo("<rect>"), "is not well-formed XML"),
    ("", "is not well-formed XML"),
    ("\ud800", "is not well-formed XML"),
    ("<html><body/></html>", "is not an SVG picture"),
    ("<svg/>", "is not an SVG picture"),
    (logo(root=ROOT.replace('"1.2"', '"1.1"')), 'is not marked version="1.2"'),
    (logo(root=ROOT.replace("tiny-ps", "tiny")), 'is not marked baseProfile="tiny-ps"'),
    (logo(title=""), "has no title"),
    (logo(title="<title> </title>"), "has no title"),
    (logo(f"<g>{TITLE}</g>", title=""), "has no title"),
    (logo(root=ROOT.replace("viewBox", 'x="0" viewBox')), "has x or y on its svg element"),
    (logo(root=ROOT.replace("64 64", "64 32")), "is not square"),
    (logo(root=ROOT.replace('viewBox="0 0 64 64"', 'width="100%"')), "is not square"),
    (logo('<rect onclick="go()"/>'), "has event handlers"),
    (logo('<use xlink:href="https://example.com/a.svg#p"/>'), "refers to something outside itself"),
    (logo('<use href="data:image/png;base64,AAAA"/>'), "refers to something outside itself"),
    (logo("<rect fill=\"url( 'https://example.com/p')\"/>"), "refers to something outside itself"),
    (logo('<g xml:base="https://example.com/"/>'), "refers to something outside itself"),
    (logo("<script>go()</script>"), "has the element script, which the profile does not allow"),
    (logo('<image xlink:href="#p"/>'), "has the element image, which the profile does not allow"),
    (logo("<g><animate/></g>"), "has the element animate, which the profile does not allow"),
    (
        logo('<x:script xmlns:x="http://www.w3.org/1999/xhtml"/>'),
        "has the element script, which the profile does not allow",
    ),
    (f"<?xml-stylesheet href='a.css'?>{logo().partition(chr(10))[2]}", "has processing instructions"),
]


def phrases(svg: str) -> list[str]:
    return [problem.phrase(LOGO_PROBLEMS) for problem in logo_problems(svg)]


@pytest.mark.parametrize("svg", FITTING)
def test_logo_valid_logo_has_none(svg: str) -> None:
    assert logo_problems(svg) == []


@pytest.mark.parametrize(("svg", "fault"), FAULTY)
def test_logo_invalid_logo_names_the_problem(svg: str, fault: str) -> None:
    assert phrases(svg) == [fault]


@pytest.mark.parametrize(
    "declaration",
    ['<!DOCTYPE svg SYSTEM "https://example.com/svg.dtd">', '<!DOCTYPE svg [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'],
)
def test_logo_entities_are_refused_unexpanded(declaration: str) -> None:
    assert phrases(declaration + logo("<desc>&b;</desc>").partition("\n")[2]) == ["has a DOCTYPE or entities"]


def test_logo_deeply_nested_logo_is_walked() -> None:
    assert phrases(logo("<g>" * 3000 + "<a/>" + "</g>" * 3000)) == [
        "has the element a, which the profile does not allow"
    ]


@given(st.sampled_from(sorted(ALLOWED_ELEMENTS)), st.text(max_size=30), st.text(max_size=30))
def test_logo_any_text_never_raises(name: str, inside: str, attribute: str) -> None:
    for svg in (inside, logo(f"<{name}>{inside}</{name}>"), logo(f'<{name} id="{attribute}"/>')):
        assert all(fault and "\n" not in fault for fault in phrases(svg))
