"""Domain names: parsing into lower-case A-labels (IDNA), display, lookalike detection."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from ipaddress import ip_address

import idna
from publicsuffixlist import PublicSuffixList

MAX_OCTETS = 253  # RFC 1035: 255 on the wire, less the first length octet and the root label
MAX_LABEL_OCTETS = 63
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9_])?")  # hosts with an underscore exist (RFC 2181 §11)
DOTS = re.compile("[.\u3002\uff0e\uff61]")  # of IDNA: full stops of East Asian scripts part labels too
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Special-use names without public mail servers (RFC 6761, 6762, 7686, 9476, ICANN's .internal).
SPECIAL_USE = {
    "alt": "names below .alt are not in the DNS",
    "arpa": "names below .arpa describe addresses; type the address itself, like 203.0.113.5",
    "internal": "names below .internal exist only inside a private network",
    "invalid": "names below .invalid never exist",
    "local": "names below .local exist only on a local network",
    "localhost": "localhost is the machine itself",
    "onion": "names below .onion exist only inside Tor",
}

# Cyrillic and Greek letters that look like Latin ones.
LATIN_LOOKALIKES = frozenset("асԁеһіјӏոорԛѕԝхуѵαικνορτυχ")
COMPATIBLE_SCRIPTS = (
    {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "LATIN"},
    {"CJK", "HANGUL", "LATIN"},
    {"CJK", "BOPOMOFO", "LATIN"},
)
MAX_QUOTED = 60
NOT_A_TARGET = "{} is not an address or a domain; type something like 203.0.113.5 or example.com."


class BadDomain(ValueError):
    """The text is not a usable mail domain; the message is one sentence for the user."""


def parse_domain(text: str) -> str:
    """Parse a domain into lower-case A-labels without the trailing dot. Raises BadName.

    `Müller.Example.` gives `xn--mller-kva.example`. Names that cannot be a public mail domain are
    refused: bare public suffixes, special-use names, and abbreviated IPv4 addresses (`127.1`,
    `0x7f.1`).
    """
    name, typed = parse_dns_name(text), quoted(text)
    if is_public_suffix(name):
        raise BadDomain(
            f"{typed} is a public suffix, shared by many owners; type a domain below it, like example.{name}."
        )
    if "." not in name:
        raise BadDomain(NOT_A_TARGET.format(typed))
    return name


def parse_dns_name(text: str) -> str:
    """Parse a name as `parse_domain` does, a public suffix too, such as a top-level domain. Raises BadDomain."""
    typed = quoted(text)
    if len(text.encode("utf-8", "replace")) > MAX_OCTETS + 1:  # before idna, which takes quadratic time
        raise BadDomain(f"{typed} is too long for a domain name: at most {MAX_OCTETS} characters.")
    if _is_address(text):
        raise BadDomain(f"{typed} is an address; type a domain here, like example.com.")
    name = _to_ascii(text.removesuffix("."), typed)
    labels = name.split(".")
    _refuse_bad_labels(labels, typed)
    if NUMERIC_LABEL.fullmatch(labels[-1]):  # no TLD is a number, but many programs read 127.1 as an address
        raise BadDomain(f"{typed} is not a full IPv4 address; type four plain numbers from 0 to 255, like 203.0.113.5.")
    if reason := SPECIAL_USE.get(labels[-1]):
        raise BadDomain(f"{typed} cannot be checked: {reason}.")
    return name


def _is_address(text: str) -> bool:
    if not (":" in text or text[-1:].isdigit()):
        return False
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def quoted(text: str) -> str:
    """User input in quotation marks, shortened, with unprintable characters replaced."""
    visible = "".join(char if char.isprintable() else "�" for char in text[:MAX_QUOTED])
    return f"“{visible}…”" if len(text) > MAX_QUOTED else f"“{visible}”"


def display_domain(domain: str) -> str:
    """The domain in Unicode followed by its A-labels: `müller.example (xn--…)`."""
    if "xn--" not in domain:
        return domain
    shown = _to_unicode(domain)
    return domain if shown == domain else f"{shown} ({domain})"


def find_lookalike(domain: str) -> str | None:
    """The first label, in Unicode, that may be confused with another name; None if there is none.

    That is a label with scripts that are not used together, or one only of letters that look Latin
    (a subset of UTS #39).
    """
    labels = _to_unicode(domain).split(".")
    has_ascii_tld = labels[-1].isascii()
    return next(
        (label for label in labels if _mixes_scripts(label) or (has_ascii_tld and _poses_as_latin(label))), None
    )


def organizational_domain(domain: str) -> str:
    """The registered domain by the Public Suffix List: `mail.example.co.uk` gives `example.co.uk`.

    A public suffix gives itself. RFC 9989 uses a DNS tree walk instead; the results can differ.
    """
    return _suffixes(icann_only=False).privatesuffix(domain) or domain


def registered_domain(domain: str) -> str | None:
    """The domain that a registry registered: `a.github.io` gives `github.io`. None for a public suffix."""
    registered: str | None = _suffixes(icann_only=True).privatesuffix(domain)
    return registered


def is_public_suffix(domain: str) -> bool:
    """Whether a registry sells names below it; private suffixes (github.io) do not count."""
    suffixes = _suffixes(icann_only=True)
    return bool(suffixes.publicsuffix(domain, accept_unknown=False) == domain)


@cache
def _suffixes(icann_only: bool) -> PublicSuffixList:
    return PublicSuffixList(only_icann=icann_only)


def _to_ascii(name: str, typed: str) -> str:
    """The A-labels; those that are typed stay as they are, since DNS may hold what IDNA 2008 refuses."""
    if name.isascii():
        return name.lower()
    try:
        labels = DOTS.split(idna.uts46_remap(name))
        return ".".join(label if label.isascii() else idna.encode(label).decode("ascii") for label in labels)
    except (idna.IDNAError, UnicodeError):
        raise BadDomain(f"{typed} is not a valid international domain name.") from None


def _to_unicode(domain: str) -> str:
    labels = (_label_to_unicode(label) for label in domain.split("."))
    return ".".join(labels)


def _label_to_unicode(label: str) -> str:
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except (idna.IDNAError, UnicodeError):
        return label


def _refuse_bad_labels(labels: list[str], typed: str) -> None:
    if "" in labels:
        raise BadDomain(f"{typed} has an empty part between its dots.")
    if any(len(label) > MAX_LABEL_OCTETS for label in labels):
        raise BadDomain(f"{typed} has a part of more than {MAX_LABEL_OCTETS} characters between its dots.")
    if len(".".join(labels)) > MAX_OCTETS:
        raise BadDomain(f"{typed} is too long for a domain name: at most {MAX_OCTETS} characters.")
    if any(label.startswith("_") for label in labels):
        raise BadDomain(f"{typed} names a record, not a domain; type the domain without the part that starts with “_”.")
    if not all(LABEL.fullmatch(label) for label in labels):
        raise BadDomain(NOT_A_TARGET.format(typed))


def _scripts(label: str) -> set[str]:
    chars = (char for char in label if char.isalpha())
    return {unicodedata.name(char, "UNNAMED").partition(" ")[0].partition("-")[0] for char in chars}


def _mixes_scripts(label: str) -> bool:
    scripts = _scripts(label)
    return len(scripts) > 1 and not any(scripts <= compatible for compatible in COMPATIBLE_SCRIPTS)


def _poses_as_latin(label: str) -> bool:
    chars = {char for char in label if char.isalpha()}
    return bool(chars) and chars <= LATIN_LOOKALIKES
