"""The names that are asked for."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks.lookups import parents, reverse_name, reversed_ip

NIBBLES = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"


@pytest.mark.parametrize(
    ("ip", "backwards", "zone"),
    [("203.0.113.5", "5.113.0.203", "in-addr.arpa"), ("2001:db8::5", NIBBLES, "ip6.arpa")],
)
def test_an_address_is_asked_for_backwards(ip: str, backwards: str, zone: str) -> None:
    assert reversed_ip(ip_address(ip)) == backwards
    assert reverse_name(ip_address(ip)) == f"{backwards}.{zone}" == ip_address(ip).reverse_pointer


def test_the_parents_of_a_domain_end_with_the_top_level() -> None:
    assert parents("a.mail.example.com") == ("mail.example.com", "example.com", "com")
    assert parents("com") == ()
