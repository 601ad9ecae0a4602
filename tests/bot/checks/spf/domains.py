"""Domains with one valid or invalid SPF feature each, and a helper that checks them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from bot.checks.spf import CODES, check
from bot.models import CheckRequest, Finding, Role, Target, Verdict
from tests.support.dns_world import World

MX = ["10 mx1.example.com", "20 mx2.example.com", "30 mx3.example.com"]
ZONE: Mapping[str, Mapping[str, Any]] = {
    "example.com": {"TXT": ["v=spf1 ip4:192.0.2.0/24 include:_spf.example.net mx -all"], "MX": MX},
    **{f"mx{n}.example.com": {"A": [f"198.51.100.{n}"]} for n in (1, 2, 3)},
    "_spf.example.net": {"TXT": ["v=spf1 include:a.example.net ~all"]},
    "a.example.net": {"TXT": ["v=spf1 ip4:203.0.113.0/28 ip6:2001:db8:5::/48 ~all"]},
    "soft.example": {"TXT": ["v=spf1 a:gone.example mx ~all"], "MX": ["10 mx1.example.com"]},
    "neutral.example": {"TXT": ["v=spf1 ip4:192.0.2.1 ?all"]},
    "open-ended.example": {"TXT": ["v=spf1 ip4:192.0.2.1"]},
    "none.example": {"TXT": ["hello"]},
    "near.example": {"TXT": ["v=spf1;mx -all"]},
    "two.example": {"TXT": ["v=spf1 -all", "v=spf1 mx -all"]},
    "wrong.example": {"TXT": ["v=spf1 ipv4:192.0.2.1 -all"]},
    "wrong-below.example": {"TXT": ["v=spf1 include:wrong.example -all"]},
    "lost.example": {"TXT": ["v=spf1 ip4:192.0.2.1 include:none.example -all"]},
    "open.example": {"TXT": ["v=spf1 +all"]},
    "open-below.example": {"TXT": ["v=spf1 include:open.example -all"]},
    "doubted.example": {"TXT": ["v=spf1 ?include:open.example -all"]},
    "wide.example": {"TXT": ["v=spf1 ip4:0.0.0.0/0 -all"]},
    "eighth.example": {"TXT": ["v=spf1 ip4:45.0.0.0/8 -all"]},
    "unread.example": {"TXT": ["v=spf1 -all include:_spf.example.net"]},
    "ptr.example": {"TXT": ["v=spf1 ptr -all"]},
    "big.example": {"TXT": ["v=spf1 ip4:192.0.2.1 " + " ".join(f"include:i{n}.example" for n in range(12)) + " -all"]},
    **{
        f"i{n}.example": {"TXT": [f"v=spf1 a:i{n}.example ~all"], "A": ["192.0.2.9"], "AAAA": ["2001:db8::9"]}
        for n in range(12)
    },
    "loop.example": {"TXT": ["v=spf1 include:loop2.example -all"]},
    "loop2.example": {"TXT": ["v=spf1 include:loop.example -all"]},
    "dead.example": {"TXT": ["v=spf1 a:x1.example a:x2.example mx:x3.example -all"]},
    "crowd.example": {"TXT": ["v=spf1 mx -all"], "MX": [f"{n} mx1.example.com" for n in range(11)]},
    "dual.example": {"TXT": ["v=spf1 mx include:_spf.example.net -all"], "MX": MX},
    "dual-of-two.example": {"TXT": ["v=spf1 mx include:_spf.example.net -all"], "MX": MX[:2]},
    "slow.example": {"TXT": "timeout"},
    "slow-below.example": {"TXT": ["v=spf1 ip4:192.0.2.1 include:slow.example -all"]},
    "parked.example": {"TXT": ["v=spf1 -all"]},
    "moved.example": {"TXT": ["v=spf1 redirect=_spf.moved.example"]},
    "_spf.moved.example": {"TXT": ["v=spf1 ip4:192.0.2.1 ?all"]},
    "long.example": {"TXT": ["v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(100, 128)) + " -all"]},
    "too-long.example": {"TXT": ["v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(100, 130)) + " -all"]},
    "joined.example": {"TXT": ["v=spf1 ip4:192.0.2.1include:_spf.example.net -all"]},
    "helo.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "helo-soft.example": {"TXT": ["v=spf1 ~all"]},
    "tree.example": {"TXT": ["v=spf1 include:t.tree.example -all"]},
}


async def findings(ip: str | None, domain: str | None, role: Role = Role.MTA, helo: str | None = None) -> list[Finding]:
    """Run the check and assert what every finding must have: code, sentence, remediation."""
    target = Target(ip_address(ip) if ip else None, domain)
    results = await check(CheckRequest(target, role, helo), World(ZONE))
    for finding in results:
        assert finding.check == "spf"
        assert finding.code in CODES
        assert finding.summary.endswith(".")
        assert (finding.remediation == "") == (finding.verdict is Verdict.PASS)
    return results
