"""Random small DNS worlds full of SPF records: valid, odd, broken, looping. One seed, one world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random
from typing import Any

from bot.models import Address
from tests.support.dns_world import World

V4 = ("192.0.2.1", "192.0.2.77", "198.51.100.9")
V6 = ("2001:db8::1", "2001:db8:0:1::77")
SENDERS = ("u@d0.example", "a-b.c@d1.example", "~x+y=z@d2.example")
DOMAINS = tuple(f"d{number}.example" for number in range(6))
HOSTS = (*(f"h{number}.example" for number in range(6)), "h0.d0.example", "mx.d1.example")
NAMES = (*DOMAINS, *HOSTS, "gone.example")
MACROS = (
    "%{d}",
    "%{o}",
    "%{h}",
    "%{i}.example",
    "%{ir}.%{v}.arpa",
    "%{l}.d0.example",
    "%{d2}",
    "%{p}",
    "%{s-}.example",
)
INVALID_TERMS = (
    "moo",
    "ip4:192.0.2",
    "a:bad..example",
    "mx/33",
    "include",
    "a:%(d)",
    "all:x",
    "redirect:d1.example",
    "exists:",
)
MODIFIERS = ("x=1", "x=2", "y=%{d}", "op=a")
EXPLANATIONS = ("Go away %{i}.", "See %{S} from %{c}", "%{x} no", "%{d}%_%{h}")


@dataclass(frozen=True, slots=True)
class CheckHostCall:
    """One check_host call and the world it is evaluated in."""

    world: World
    ip: Address
    sender: str
    helo: str = "h0.d0.example"


def random_call(seed: int) -> CheckHostCall:
    random = Random(seed)
    records: dict[str, dict[str, Any]] = {name: _domain(random) for name in DOMAINS}
    records |= {name: _host(random) for name in HOSTS}
    for ip in V4 + V6:
        records[ip_address(ip).reverse_pointer] = {"PTR": random.choices(NAMES, k=random.choice((0, 1, 1, 2)))}
    records |= {f"m{number}.example": {"TXT": [random.choice(EXPLANATIONS)]} for number in (1, 2)}
    return CheckHostCall(World(records), ip_address(random.choice(V4 + V6)), random.choice(SENDERS))


def _domain(random: Random) -> dict[str, Any]:
    how_many = random.choices((0, 1, 2), weights=(3, 93, 4))[0]
    servers = random.choices(HOSTS, k=random.choice((0, 1, 1, 2, 3)))
    return {
        **_host(random),
        "TXT": _rarely(random, 0.02, "servfail", [*(_record(random) for _ in range(how_many)), "other=1"]),
        "MX": _rarely(random, 0.02, "timeout", [f"{random.randint(0, 20)} {host}" for host in servers]),
    }


def _host(random: Random) -> dict[str, Any]:
    if random.random() < 0.03:
        return {"A": "timeout", "AAAA": "timeout"}
    return {
        "A": random.sample(V4, k=random.choice((0, 1, 1, 2))),
        "AAAA": random.sample(V6, k=random.choice((0, 1, 1, 2))),
    }


def _rarely(random: Random, share: float, rare_value: Any, usual_value: Any) -> Any:
    return rare_value if random.random() < share else usual_value


def _record(random: Random) -> str:
    terms = [_term(random) for _ in range(random.choice((0, 1, 2, 2, 3, 3, 4, 6)))]
    terms += _rarely(random, 0.7, [random.choice("-~?+") + "all"], [])
    extras = _rarely(random, 0.25, [f"redirect={_target(random)}"], [])
    extras += _rarely(random, 0.25, [f"exp=m{random.choice('12')}.example"], [])
    extras += _rarely(random, 0.08, random.choices(MODIFIERS, k=2), [])
    extras += _rarely(random, 0.04, [random.choice(INVALID_TERMS)], [])
    for extra in extras:
        terms.insert(random.randint(0, len(terms)), extra)
    return random.choice((" ", " ", " ", "  ")).join(["v=spf1", *terms])


def _term(random: Random) -> str:
    return random.choice(("", "", "", "-", "~", "?", "+")) + random.choices(TERMS, weights=WEIGHTS)[0](random)


def _target(random: Random) -> str:
    return random.choice(MACROS if random.random() < 0.12 else NAMES)


def _domain_spec(random: Random) -> str:
    return f":{_target(random)}" if random.random() < 0.7 else ""


def _prefixes(random: Random) -> str:
    return random.choice(("", "", "", "/24", "/0", "//64", "/25//48"))


TERMS: tuple[Callable[[Random], str], ...] = (
    lambda random: f"include:{_target(random)}",
    lambda random: f"a{_domain_spec(random)}{_prefixes(random)}",
    lambda random: f"mx{_domain_spec(random)}{_prefixes(random)}",
    lambda random: f"exists:{_target(random)}",
    lambda random: f"ptr{_domain_spec(random)}",
    lambda random: f"ip4:{random.choice(V4)}{random.choice(('', '/24', '/32', '/7'))}",
    lambda random: f"ip6:{random.choice(V6)}{random.choice(('', '/64', '/128', '/0'))}",
)
WEIGHTS = (5, 4, 3, 2, 1, 3, 2)
