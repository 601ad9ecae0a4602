"""The cases of whole set-ups are served with their faults and signatures, and every run is shown."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.domain_cases import read_case


def case(**parts: Any) -> dict[str, Any]:
    zone = {"example.com": [["TXT", ["v=spf1 ip4:192.0.2.0/24", " -all"]], ["MX", "10 mx.example.com"]]}
    return {"zone": zone, "faults": {}, "signed": [], "runs": ["check example.com"]} | parts


async def test_each_run_of_a_case_is_read() -> None:
    text = await read_case(case(runs=["check example.com", "dmarc example.com", "check no..name"]))

    assert "PASS    spf.valid-record" in text
    assert "$ dmarc example.com" in text
    assert "refused: “no..name”" in text


async def test_faults_of_one_type_and_signed_zones_are_served() -> None:
    text = await read_case(case(faults={"example.com@TXT": "servfail"}, signed=["example.com"]))

    assert "UNKNOWN spf.no-answer" in text
    assert "PASS    mx.ok" not in text  # its host has no address
    assert "network.dnssec-signed" in text


async def test_international_domain_is_shown_in_both_forms_by_every_check() -> None:
    name = "xn--mnchen-3ya.example"
    zone = {
        name: [["TXT", "v=spf1 mx a:gone.example -all"], ["MX", "10 mx.example.net"], ["A", "192.0.2.1"]],
        "mx.example.net": [["A", "192.0.2.2"]],
        f"_dmarc.{name}": [["TXT", "v=DMARC1; p=none"]],
    }
    runs = [f"check {name}", "check münchen.example", f"check 203.0.113.5 {name} --helo {name}"]
    for case_zone in (zone, {name: zone[name][1:]}, {name: [["TXT", "hello"]]}, {}):
        text = await read_case(case(zone=case_zone, runs=runs))
        sentences = [line.partition("] ")[2] for line in text.splitlines() if line.startswith("  ")]
        assert [sentence for sentence in sentences if re.search(rf"(?<![\w.@(-]){name}", sentence)] == []
        assert f"münchen.example ({name})" in text


@pytest.mark.parametrize("typed", ["example", "mailto:ada@example.com", "ada@example.com", "com"])
async def test_dmarc_takes_a_top_level_domain_and_a_mail_address(typed: str) -> None:
    text = await read_case(case(runs=[f"dmarc {typed}"]))
    assert "refused" not in text
