"""Names of reverse lookups."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks.lookups import reverse_name, reversed_ip

NIBBLES = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"


@pytest.mark.parametrize(
    ("ip", "reversed_digits", "zone"),
    [("203.0.113.5", "5.113.0.203", "in-addr.arpa"), ("2001:db8::5", NIBBLES, "ip6.arpa")],
)
def test_reverse_name_matches_reverse_pointer(ip: str, reversed_digits: str, zone: str) -> None:
    assert reversed_ip(ip_address(ip)) == reversed_digits
    assert reverse_name(ip_address(ip)) == f"{reversed_digits}.{zone}" == ip_address(ip).reverse_pointer
