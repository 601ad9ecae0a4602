"""Parser of SPF records: text to typed terms, by the grammar of RFC 7208 §12. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from bot.checks.spf.macros import BadSyntax, MacroString, parse, parse_domain
from bot.inputs.domain_names import quoted

VERSION = "v=spf1"
MAX_PREFIX_V4, MAX_PREFIX_V6 = 32, 128

_MODIFIER = re.compile(r"([a-z][a-z0-9\-_.]*)=(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_DIRECTIVE = re.compile(r"([+\-?~]?)([a-z][a-z0-9]*)((?:[:/].*)?)", re.IGNORECASE | re.ASCII | re.DOTALL)
_CIDR = r"(0|[1-9][0-9]{0,2})"
_HOSTS = re.compile(rf"(?::(.*?))?(?:/{_CIDR})?(?://{_CIDR})?", re.DOTALL)
_NETWORK = re.compile(rf":([0-9a-f.:]+)(?:/{_CIDR})?", re.IGNORECASE)
_SECOND_TERM = re.compile(r".(?:include:|exists:|ip4:|ip6:|redirect=|v=spf1)", re.IGNORECASE | re.DOTALL)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z]{2,}", re.IGNORECASE | re.ASCII)
MISTAKES = {"ip": "ip4", "ipv4": "ip4", "ipv6": "ip6", "prt": "ptr", "inc": "include", "exist": "exists"}


@dataclass(frozen=True, slots=True)
class All:
    """Matches every address (§5.1)."""

    def __str__(self) -> str:
        return "all"


@dataclass(frozen=True, slots=True)
class Include:
    """Matches where the record of another domain passes (§5.2)."""

    domain: MacroString

    def __str__(self) -> str:
        return f"include:{self.domain}"


@dataclass(frozen=True, slots=True)
class Hosts:
    """`a` or `mx`: matches networks around the addresses of a domain or its MX (§5.3, §5.4)."""

    name: str
    domain: MacroString | None = None
    v4: int = MAX_PREFIX_V4
    v6: int = MAX_PREFIX_V6

    def __str__(self) -> str:
        domain = f":{self.domain}" if self.domain else ""
        v4 = f"/{self.v4}" if self.v4 != MAX_PREFIX_V4 else ""
        v6 = f"//{self.v6}" if self.v6 != MAX_PREFIX_V6 else ""
        return f"{self.name}{domain}{v4}{v6}"


@dataclass(frozen=True, slots=True)
class Ptr:
    """Matches a validated PTR name below a domain (§5.5: should not be published)."""

    domain: MacroString | None = None

    def __str__(self) -> str:
        return f"ptr:{self.domain}" if self.domain else "ptr"


@dataclass(frozen=True, slots=True)
class Network:
    """`ip4` or `ip6`: matches a literal network (§5.6)."""

    network: IPv4Network | IPv6Network

    def __str__(self) -> str:
        return f"ip{self.network.version}:{self.network}"


@dataclass(frozen=True, slots=True)
class Exists:
    """Matches where a name, usually made of macros, has an A record (§5.7)."""

    domain: MacroString

    def __str__(self) -> str:
        return f"exists:{self.domain}"


Mechanism = All | Include | Hosts | Ptr | Network | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A qualifier (`+`, `-`, `~`, `?`) and a mechanism; `text` is the term as published."""

    qualifier: str
    mechanism: Mechanism
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.qualifier.replace('+', '')}{self.mechanism}"


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record; `modifiers` are the unknown ones, which have no effect."""

    directives: tuple[Directive, ...] = ()
    redirect: MacroString | None = None
    exp: MacroString | None = None
    modifiers: tuple[tuple[str, MacroString], ...] = ()

    def __str__(self) -> str:
        terms = [VERSION, *(str(directive) for directive in self.directives)]
        terms += [f"redirect={self.redirect}"] if self.redirect else []
        terms += [f"exp={self.exp}"] if self.exp else []
        terms += [f"{name}={value}" for name, value in self.modifiers]
        return " ".join(terms)

    @property
    def reachable(self) -> tuple[Directive, ...]:
        """The directives up to the first `all`; those after it are never evaluated (§5.1)."""
        ends = (end for end, directive in enumerate(self.directives, 1) if isinstance(directive.mechanism, All))
        return self.directives[: next(ends, None)]

    @property
    def default_directive(self) -> Directive | None:
        """The first `all`, which applies to every address that nothing before it matches."""
        last = self.reachable[-1:]
        return last[0] if last and isinstance(last[0].mechanism, All) else None


def is_spf(text: str) -> bool:
    """Return whether a TXT record is an SPF record, valid or not (§4.5)."""
    return text[: len(VERSION) + 1].rstrip(" ").lower() == VERSION


def parse_record(text: str) -> Record:
    """Parse a text that is_spf. Raises BadSyntax about the first invalid term."""
    if not is_spf(text):
        raise BadSyntax("version", text=quoted(text))
    directives: list[Directive] = []
    named: dict[str, MacroString] = {}
    unknown: list[tuple[str, MacroString]] = []
    for term in filter(None, text[len(VERSION) :].split(" ")):
        if not (modifier := _MODIFIER.fullmatch(term)):
            directives.append(_directive(term))
        elif (name := modifier[1].lower()) not in ("redirect", "exp"):
            unknown.append((modifier[1], parse(modifier[2])))
        elif name in named:
            raise BadSyntax("duplicate", name=name)
        else:
            named[name] = _domain(term, modifier[2])
    return Record(tuple(directives), named.get("redirect"), named.get("exp"), tuple(unknown))


def _directive(term: str) -> Directive:
    parts = _DIRECTIVE.fullmatch(term)
    name = parts[2].lower() if parts else ""
    parse_mechanism = _MECHANISMS.get(name)
    if parts is None or parse_mechanism is None:
        raise _unknown(term, name)
    try:
        return Directive(parts[1] or "+", parse_mechanism(term, name, parts[3]), term)
    except BadSyntax:
        if "," in term:
            raise BadSyntax("unknown-comma", term=quoted(term)) from None
        if second_term := _SECOND_TERM.search(parts[3][1:]):
            second = quoted(second_term.group()[1:])
            raise BadSyntax("joined", term=quoted(term), second=second) from None
        raise


def _unknown(term: str, name: str) -> BadSyntax:
    if name in ("redirect", "exp"):
        return BadSyntax("unknown-colon", term=quoted(term), name=name)
    if name in MISTAKES:
        return BadSyntax("unknown-mistake", term=quoted(term), name=name, right=MISTAKES[name])
    if "," in term:
        return BadSyntax("unknown-comma", term=quoted(term))
    if network := _bare_network(term):
        return BadSyntax("unknown-address", term=quoted(term), right=quoted(f"ip{network.version}:{term}"))
    return BadSyntax("unknown-name" if _HOST_NAME.fullmatch(term) else "unknown", term=quoted(term))


def _all(term: str, _name: str, rest: str) -> All:
    if rest:
        raise BadSyntax("all", term=quoted(term))
    return All()


def _include(term: str, _name: str, rest: str) -> Include:
    return Include(_required(term, rest))


def _exists(term: str, _name: str, rest: str) -> Exists:
    return Exists(_required(term, rest))


def _ptr(term: str, _name: str, rest: str) -> Ptr:
    return Ptr(_required(term, rest) if rest else None)


def _hosts(term: str, name: str, rest: str) -> Hosts:
    parts = _HOSTS.fullmatch(rest)
    if parts is None:
        raise BadSyntax("prefix", term=quoted(term))
    spec, v4, v6 = parts.groups()
    domain = None if spec is None else _domain(term, spec)
    return Hosts(name, domain, _prefix(term, v4, MAX_PREFIX_V4), _prefix(term, v6, MAX_PREFIX_V6))


def _ip4(term: str, _name: str, rest: str) -> Network:
    address, prefix = _network(term, rest, "ip4:192.0.2.0/24")
    try:
        return Network(IPv4Network((IPv4Address(address), _prefix(term, prefix, MAX_PREFIX_V4)), strict=False))
    except ValueError as error:
        raise _not_a_network(term, error, "not-a-network-4") from None


def _ip6(term: str, _name: str, rest: str) -> Network:
    address, prefix = _network(term, rest, "ip6:2001:db8::/32")
    try:
        return Network(IPv6Network((IPv6Address(address), _prefix(term, prefix, MAX_PREFIX_V6)), strict=False))
    except ValueError as error:
        raise _not_a_network(term, error, "not-a-network-6") from None


_MECHANISMS: Mapping[str, Callable[[str, str, str], Mechanism]] = {
    "all": _all,
    "include": _include,
    "a": _hosts,
    "mx": _hosts,
    "ptr": _ptr,
    "ip4": _ip4,
    "ip6": _ip6,
    "exists": _exists,
}
MECHANISM_NAMES = frozenset(_MECHANISMS)


def _required(term: str, rest: str) -> MacroString:
    if not rest.startswith(":"):
        raise BadSyntax("no-colon", term=quoted(term))
    return _domain(term, rest[1:])


def _domain(term: str, text: str) -> MacroString:
    if not text:
        raise BadSyntax("no-domain", term=quoted(term))
    try:
        return parse_domain(text)
    except BadSyntax:
        if _is_address(text):
            raise BadSyntax("address", term=quoted(term)) from None
        raise


def _network(term: str, rest: str, example: str) -> tuple[str, str | None]:
    parts = _NETWORK.fullmatch(rest)
    if parts is None:
        raise BadSyntax("not-a-network", term=quoted(term), example=example)
    return parts[1], parts[2]


def _not_a_network(term: str, error: ValueError, key: str) -> BadSyntax:
    return error if isinstance(error, BadSyntax) else BadSyntax(key, term=quoted(term))


def _prefix(term: str, digits: str | None, limit: int) -> int:
    if digits is not None and int(digits) > limit:
        raise BadSyntax("long-prefix", term=quoted(term), limit=limit)
    return limit if digits is None else int(digits)


def _bare_network(term: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(term, strict=False)
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text.partition("/")[0])
    except ValueError:
        return False
    return True
