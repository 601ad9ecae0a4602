"""The cases of whole set-ups are served with their faults and signatures, and every run is shown."""

from __future__ import annotations

from typing import Any

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
