"""A DMARC policy record as RFC 9989 §4.7 and §4.8 read it. Pure; any text is either a record or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*")  # first, and the value in capitals
POLICIES = ("none", "quarantine", "reject")  # each one level above the one before it
VALUES: Mapping[str, re.Pattern[str]] = {
    tag: re.compile(pattern, re.IGNORECASE)
    for tag, pattern in {
        "p": "none|quarantine|reject",
        "sp": "none|quarantine|reject",
        "np": "none|quarantine|reject",
        "psd": "[ynu]",
        "t": "[yn]",
        "adkim": "[rs]",
        "aspf": "[rs]",
        "fo": "[01ds](:[01ds])*",
        "rua": ".+",
        "ruf": ".+",
    }.items()
}
REMOVED = ("pct", "rf", "ri")  # RFC 7489 had them; RFC 9989 ignores them
SIZE = re.compile(r"![0-9]+[kmgt]?$", re.IGNORECASE)
MAILTO = re.compile(r"mailto:[^?@\s!]+@([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?:\?\S*)?", re.IGNORECASE)
OTHER_URI = re.compile(r"(?!mailto:)[a-z][a-z0-9+.-]*:[^\s!]+", re.IGNORECASE)
SPACE = " \t"


@dataclass(frozen=True, slots=True)
class Record:
    """A text that starts with `v=DMARC1`.

    `tags` holds the known tags with a valid value, in lower case but for addresses; `invalid` names the known tags whose
    value is not; `removed` names what RFC 9989 took out (`pct`, `rf`, `ri`, `!size`), `percent` is the value of pct.
    """

    text: str
    tags: Mapping[str, str]
    invalid: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    percent: str | None = None

    @property
    def public_suffix(self) -> str:
        """`y`: the domain is a public suffix, `n`: it is an organisational domain, `u`: it does not say."""
        return self.tags.get("psd", "u")

    @property
    def testing(self) -> bool:
        return self.tags.get("t") == "y"

    @property
    def reports_to(self) -> tuple[str, ...]:
        """The valid URIs of `rua`."""
        return _uris(self.tags.get("rua", ""))

    @property
    def report_hosts(self) -> tuple[str, ...]:
        """The domains that `rua` and `ruf` send mail to, each once."""
        uris = (*self.reports_to, *_uris(self.tags.get("ruf", "")))
        hosts = (match[1].lower() for uri in uris if (match := MAILTO.fullmatch(uri)))
        return tuple(dict.fromkeys(hosts))

    @property
    def has_policy(self) -> bool:
        """Whether p is there, and neither p nor sp nor np is wrong (§4.10.1)."""
        return "p" in self.tags and not {"p", "sp", "np"} & set(self.invalid)

    def policy(self, tags: tuple[str, ...]) -> tuple[str, str] | None:
        """The first of these tags that the record has, with its policy.

        A record without a right policy counts as p=none where it asks for reports, and for nothing at all otherwise.
        """
        if not self.has_policy:
            return ("p", "none") if self.reports_to else None
        return next((tag, self.tags[tag]) for tag in tags if tag in self.tags)


def parse(text: str) -> Record | None:
    """The record in a TXT string; None for any other text. Unknown tags are ignored, and a tag counts once."""
    version, *parts = text.split(";")
    if not VERSION.fullmatch(version):
        return None
    given: dict[str, str] = {}
    for tag, value in map(_split, parts):
        given.setdefault(tag, value)
    known = {tag: value for tag, value in given.items() if tag in VALUES}
    valid = {tag: _folded(tag, value) for tag, value in known.items() if VALUES[tag].fullmatch(value)}
    removed = [tag for tag in REMOVED if tag in given]
    if any(SIZE.search(uri) for tag in ("rua", "ruf") for uri in _listed(known.get(tag, ""))):
        removed.append("!size")
    return Record(text, valid, tuple(tag for tag in known if tag not in valid), tuple(removed), given.get("pct"))


def one_level_lower(policy: str) -> str:
    """What t=y makes of a policy: reject is applied as quarantine, quarantine as none."""
    return POLICIES[max(0, POLICIES.index(policy) - 1)]


def _split(part: str) -> tuple[str, str]:
    tag, _, value = part.partition("=")
    return tag.strip(SPACE).lower(), value.strip(SPACE)


def _folded(tag: str, value: str) -> str:
    return value if tag in ("rua", "ruf") else value.lower()


def _listed(value: str) -> list[str]:
    return [uri.strip(SPACE) for uri in value.split(",")]


def _uris(value: str) -> tuple[str, ...]:
    uris = (SIZE.sub("", uri) for uri in _listed(value))
    return tuple(uri for uri in uris if MAILTO.fullmatch(uri) or OTHER_URI.fullmatch(uri))
