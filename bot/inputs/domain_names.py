"""Domain names as people write them: read into lower-case A-labels, shown in both forms, watched for look-alikes."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

MOST_OCTETS = 253  # RFC 1035: 255 on the wire, less the first length octet and the root
MOST_LABEL_OCTETS = 63
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Names that never lead to a mail server of the internet (RFC 6761, 6762, 7686, 9476 and ICANN's .internal).
SPECIAL_USE = {
    "alt": "names below .alt are not in the DNS",
    "arpa": "names below .arpa describe addresses; type the address itself, like 203.0.113.5",
    "internal": "names below .internal exist only inside a private network",
    "invalid": "names below .invalid never exist",
    "local": "names below .local exist only on a local network",
    "localhost": "localhost is the machine itself",
    "onion": "names below .onion exist only inside Tor",
}

# Cyrillic and Greek letters that a reader takes for Latin ones.
LATIN_TWINS = frozenset("асԁеһіјӏոорԛѕԝхуѵαικνορτυχ")
WRITTEN_TOGETHER = (
    {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "LATIN"},
    {"CJK", "HANGUL", "LATIN"},
    {"CJK", "BOPOMOFO", "LATIN"},
)
MOST_QUOTED = 60
NEITHER = "{} is not an address or a domain; type something like 203.0.113.5 or example.com."


class BadName(ValueError):
    """The text is not a domain name that mail can use; the message is one sentence for the person who typed it."""


def read_domain(text: str) -> str:
    """The lower-case A-labels of a domain, without the trailing dot. Raises BadName.

    `Müller.Example.` gives `xn--mller-kva.example`. Names that cannot be a mail domain of the internet are refused: a
    bare public suffix, a special-use name, and what programs would take for an IPv4 address (`127.1`, `0x7f.1`).
    """
    typed = quoted(text)
    if len(text.encode("utf-8", "replace")) > MOST_OCTETS + 1:  # before idna, whose time grows with the square
        raise BadName(f"{typed} is too long for a domain name: at most {MOST_OCTETS} characters.")
    name = _to_ascii(text.removesuffix("."), typed)
    labels = name.split(".")
    _refuse_bad_labels(labels, typed)
    if NUMBER.fullmatch(labels[-1]):  # no top-level domain is a number, but many programs read 127.1 as an address
        raise BadName(f"{typed} is not a full IPv4 address; type four plain numbers from 0 to 255, like 203.0.113.5.")
    if reason := SPECIAL_USE.get(labels[-1]):
        raise BadName(f"{typed} cannot be checked: {reason}.")
    if is_public_suffix(name):
        raise BadName(
            f"{typed} is a public suffix, shared by many owners; type a domain below it, like example.{name}."
        )
    if len(labels) == 1:
        raise BadName(NEITHER.format(typed))
    return name


def quoted(text: str) -> str:
    """What a person typed, in quotation marks, cut short, with nothing in it that could move or hide other text."""
    visible = "".join(letter if letter.isprintable() else "�" for letter in text[:MOST_QUOTED])
    return f"“{visible}…”" if len(text) > MOST_QUOTED else f"“{visible}”"


def shown(domain: str) -> str:
    """The domain as a reader of its language writes it, with the A-labels behind it: `müller.example (xn--…)`."""
    if "xn--" not in domain:
        return domain
    return f"{_to_unicode(domain)} ({domain})"


def look_alike(domain: str) -> str | None:
    """The first label, in Unicode, that may be mistaken for another name; None when there is none.

    That is a label that mixes scripts nobody writes together, or one made only of letters that look Latin and are not
    (UTS #39, the part of it that fits a warning).
    """
    labels = _to_unicode(domain).split(".")
    latin_ending = labels[-1].isascii()
    return next((label for label in labels if _mixes_scripts(label) or (latin_ending and _poses_as_latin(label))), None)


def organisational_domain(domain: str) -> str:
    """The registered domain by the Public Suffix List: `mail.example.co.uk` gives `example.co.uk`.

    A public suffix is its own answer. RFC 9989 finds this by a walk in the DNS instead; the two can differ.
    """
    return _suffixes(icann_only=False).privatesuffix(domain) or domain


def is_public_suffix(domain: str) -> bool:
    """Whether a registry sells names right below it. Suffixes of companies (github.io) are domains with mail."""
    suffixes = _suffixes(icann_only=True)
    return bool(suffixes.publicsuffix(domain, accept_unknown=False) == domain)


@cache
def _suffixes(icann_only: bool) -> PublicSuffixList:
    return PublicSuffixList(only_icann=icann_only)


def _to_ascii(name: str, typed: str) -> str:
    if name.isascii():
        name = name.lower()
        if "xn--" not in name:
            return name
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise BadName(f"{typed} is not a valid international domain name.") from None


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
        raise BadName(f"{typed} has an empty part between its dots.")
    if any(len(label) > MOST_LABEL_OCTETS for label in labels):
        raise BadName(f"{typed} has a part of more than {MOST_LABEL_OCTETS} characters between its dots.")
    if len(".".join(labels)) > MOST_OCTETS:
        raise BadName(f"{typed} is too long for a domain name: at most {MOST_OCTETS} characters.")
    if any(label.startswith("_") for label in labels):
        raise BadName(f"{typed} names a record, not a domain; type the domain without the part that starts with “_”.")
    if not all(LABEL.fullmatch(label) for label in labels):
        raise BadName(NEITHER.format(typed))


def _scripts(label: str) -> set[str]:
    letters = (letter for letter in label if letter.isalpha())
    return {unicodedata.name(letter, "UNNAMED").partition(" ")[0].partition("-")[0] for letter in letters}


def _mixes_scripts(label: str) -> bool:
    scripts = _scripts(label)
    return len(scripts) > 1 and not any(scripts <= together for together in WRITTEN_TOGETHER)


def _poses_as_latin(label: str) -> bool:
    letters = {letter for letter in label if letter.isalpha()}
    return bool(letters) and letters <= LATIN_TWINS
