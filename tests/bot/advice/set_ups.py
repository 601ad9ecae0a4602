"""Random mail set-ups: a domain with services, hosts and an SPF record, and the addresses that send for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

DOMAIN = "corp.example.com"
INCLUDES = {
    "_spf.google.com": "v=spf1 ip4:198.18.1.0/24 ~all",
    "spf.protection.outlook.com": "v=spf1 ip4:198.18.2.0/24 -all",
    "sendgrid.net": "v=spf1 ip4:198.18.3.0/24 include:ab.sendgrid.net ~all",
    "ab.sendgrid.net": "v=spf1 ip4:198.18.4.0/24 ~all",
    "_spf.partner.example": "v=spf1 a:out.partner.example mx:partner.example ?all",
    "_spf.open.example": "v=spf1 +all",
    "_spf.macro.example": "v=spf1 exists:%{i}._spf.macro.example ~all",
}
HOSTS: dict[str, dict[str, list[str]]] = {
    "out.partner.example": {"A": ["198.18.5.1"], "AAAA": ["2001:db8:5::1"]},
    "partner.example": {"MX": ["10 out.partner.example"]},
    f"mx.{DOMAIN}": {"A": ["198.18.6.1"]},
    "aspmx.l.google.com": {"A": ["198.18.1.200"]},
    "corp.mail.protection.outlook.com": {"A": ["198.18.2.200"]},
    "41.1.18.198.in-addr.arpa": {"PTR": ["mail-sor-f41.google.com"]},
    "mail-sor-f41.google.com": {"A": ["198.18.1.41"]},
    "42.3.18.198.in-addr.arpa": {"PTR": ["o1.outbound-mail.sendgrid.net"]},
    "o1.outbound-mail.sendgrid.net": {"A": ["198.18.3.42"]},
    "7.9.18.198.in-addr.arpa": {"PTR": [f"mx.{DOMAIN}"]},
}
SENDERS = (
    *(f"198.18.{net}.{host}" for net in range(1, 10) for host in (1, 7, 41, 42, 200)),
    "192.0.2.1",
    "192.0.2.200",
    "203.0.113.9",
    "2001:db8:5::1",
    "2001:db8:9::9",
)
TERMS = (
    *(f"include:{name}" for name in INCLUDES),
    *("ip4:192.0.2.0/25", "ip4:198.18.7.0/24", "ip6:2001:db8:9::/48", "-ip4:198.18.7.7", "?ip4:198.18.8.0/24"),
    *("a", "mx", "a:out.partner.example", "mx:partner.example/24", "exists:%{i}.allow.example.com", "ptr"),
    *(f"include:i{number}.{DOMAIN}" for number in range(9)),
    "ip4:198.51.100.0/24 " * 15,
)
MX = (["1 aspmx.l.google.com"], ["0 corp.mail.protection.outlook.com"], [f"10 mx.{DOMAIN}"], ["0 ."], [])
END = ("-all", "~all", "?all", "", "redirect=_spf.google.com")


@dataclass(frozen=True)
class SetUp:
    """A zone, and the address to check in it."""

    zone: dict[str, Any] = field(default_factory=dict)
    ip: str | None = None


@st.composite
def set_ups(draw: st.DrawFn) -> SetUp:
    terms = draw(st.lists(st.sampled_from(TERMS), max_size=12, unique=True))
    texts = draw(st.sampled_from((0, 1, 1, 1, 1, 2)))
    record = " ".join(filter(None, ("v=spf1", *terms, draw(st.sampled_from(END)))))
    apex = {"A": ["198.18.8.1"], "MX": draw(st.sampled_from(MX)), "TXT": [record, "v=spf1 -all"][:texts]}
    zone: dict[str, Any] = {name: {"TXT": [text]} for name, text in INCLUDES.items()}
    zone |= {f"i{number}.{DOMAIN}": {"TXT": [f"v=spf1 ip4:198.18.10.{number} ~all"]} for number in range(9)}
    zone |= HOSTS | {DOMAIN: apex}
    if draw(st.booleans()):
        zone[f"_dmarc.{DOMAIN}"] = {"TXT": ["v=DMARC1; p=reject; rua=mailto:d@example.com"]}
    if draw(st.booleans()):
        zone["198.18.8.8.allow.example.com"] = {"A": ["127.0.0.2"]}
    return SetUp(zone, draw(st.sampled_from((None, *SENDERS))))
