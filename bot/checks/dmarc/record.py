"""Parser of DMARC policy records (RFC 9989 §4.7, §4.8). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*")  # must be first; the value is case-sensitive
POLICIES = ("none", "quarantine", "reject")  # in ascending order of enforcement
TAG_PATTERNS: Mapping[str, re.Pattern[str]] = {
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
OBSOLETE_TAGS = ("pct", "rf", "ri")  # defined in RFC 7489, ignored in RFC 9989
SIZE = re.compile(r"![0-9]+[kmgt]?$", re.IGNORECASE)
MAILTO = re.compile(r"mailto:[^?@\s!]+@([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?:\?\S*)?", re.IGNORECASE)
OTHER_URI = re.compile(r"(?!mailto:)[a-z][a-z0-9+.-]*:[^\s!]+", re.IGNORECASE)
WHITESPACE = " \t"


@dataclass(frozen=True, slots=True)
class Record:
    """A DMARC record.

    `tags` holds the known tags with a valid value, lower-cased except addresses; `invalid` the known
    tags with an invalid one; `unknown` the parts that are no tags of DMARC, as published;
    `obsolete_tags` names what RFC 9989 removed (`pct`, `rf`, `ri`, `!size`); `percent` is the value
    of pct; `first_tag` follows the version.
    """

    text: str
    tags: Mapping[str, str]
    invalid: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    obsolete_tags: tuple[str, ...] = ()
    percent: str | None = None
    first_tag: str = ""

    @property
    def invalid_tags(self) -> tuple[str, ...]:
        return tuple(self.invalid)

    @property
    def public_suffix(self) -> str:
        """`y`: public suffix, `n`: organizational domain, `u`: not stated."""
        return self.tags.get("psd", "u")

    @property
    def testing(self) -> bool:
        return self.tags.get("t") == "y"

    @property
    def report_uris(self) -> tuple[str, ...]:
        """The valid URIs of `rua`."""
        return _uris(self.tags.get("rua", ""))

    @property
    def bad_report_addresses(self) -> tuple[str, ...]:
        """The parts of `rua` and `ruf` that are no URI, such as an address without `mailto:`."""
        values = [self.tags.get(tag) or self.invalid.get(tag, "") for tag in ("rua", "ruf")]
        return tuple(dict.fromkeys(part for value in values for part in _split_list(value) if part and not _uris(part)))

    @property
    def report_hosts(self) -> tuple[str, ...]:
        """The distinct domains that `rua` and `ruf` send mail to."""
        uris = (*self.report_uris, *_uris(self.tags.get("ruf", "")))
        hosts = (match[1].lower() for uri in uris if (match := MAILTO.fullmatch(uri)))
        return tuple(dict.fromkeys(hosts))

    @property
    def has_policy(self) -> bool:
        """Whether p is present and none of p, sp and np is invalid (§4.10.1)."""
        return "p" in self.tags and not {"p", "sp", "np"} & set(self.invalid_tags)

    def policy(self, tags: tuple[str, ...]) -> tuple[str, str] | None:
        """Return the first of these tags that the record has, with its policy.

        A record without a valid policy counts as p=none if it has report URIs, else as no policy.
        """
        if not self.has_policy:
            return ("p", "none") if self.report_uris else None
        return next((tag, self.tags[tag]) for tag in tags if tag in self.tags)


def parse(text: str) -> Record | None:
    """Parse a TXT record; None if it is not DMARC. Unknown tags and repeated tags are ignored."""
    version, *parts = text.split(";")
    if not VERSION.fullmatch(version):
        return None
    values: dict[str, str] = {}
    for tag, value in map(_split_tag, parts):
        values.setdefault(tag, value)
    known = {tag: value for tag, value in values.items() if tag in TAG_PATTERNS}
    valid = {tag: _normalized(tag, value) for tag, value in known.items() if TAG_PATTERNS[tag].fullmatch(value)}
    parts = [part.strip(WHITESPACE) for part in parts]
    unknown = [part for part in parts if part and not _is_tag(part)]
    removed = [tag for tag in OBSOLETE_TAGS if tag in values]
    if any(SIZE.search(uri) for tag in ("rua", "ruf") for uri in _split_list(known.get(tag, ""))):
        removed.append("!size")
    invalid = {tag: value for tag, value in known.items() if tag not in valid}
    return Record(text, valid, invalid, tuple(unknown), tuple(removed), values.get("pct"), next(iter(values), ""))


def lower_policy(policy: str) -> str:
    """Return the policy applied under t=y: reject as quarantine, quarantine as none."""
    return POLICIES[max(0, POLICIES.index(policy) - 1)]


def _is_tag(part: str) -> bool:
    return "=" in part and _split_tag(part)[0] in (*TAG_PATTERNS, *OBSOLETE_TAGS)


def _split_tag(part: str) -> tuple[str, str]:
    tag, _, value = part.partition("=")
    return tag.strip(WHITESPACE).lower(), value.strip(WHITESPACE)


def _normalized(tag: str, value: str) -> str:
    return value if tag in ("rua", "ruf") else value.lower()


def _split_list(value: str) -> list[str]:
    return [uri.strip(WHITESPACE) for uri in value.split(",")]


def _uris(value: str) -> tuple[str, ...]:
    uris = (SIZE.sub("", uri) for uri in _split_list(value))
    return tuple(uri for uri in uris if MAILTO.fullmatch(uri) or OTHER_URI.fullmatch(uri))
