"""Whose address is it? A refusal names several: only the sender's counts, never that of the server that refused."""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import islice

from bot.models import Address

MOST_CANDIDATES = 64
NAMED, CALLED, IN_A_LINK = 1, 2, 3  # how surely an address is the sender's
BEFORE, AFTER = 90, 60  # characters around an address that tell whose it is

QUAD = r"\d{1,3}(?:\.\d{1,3}){3}"
V4 = re.compile(rf"(?<![\w.])(?<![A-Za-z]-)({QUAD})(?![0-9A-Za-z]|\.\w|-[A-Za-z])")
V6 = re.compile(r"(?<![\w:.])(?:IPv6:)?((?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4})?(?:\.\d{1,3}){0,3})(?![\w:])")
# 5.113.0.203.zen.example.org: a question to a blocklist, which has the address backwards.
QUESTION = re.compile(
    rf"(?<![\w.])({QUAD})\.(?:[a-z0-9-]{{1,40}}\.){{0,3}}?(?:in-addr|zen"
    rf"|[a-z0-9-]{{0,20}}bl[a-z0-9-]{{0,20}})\."
)

# In these, \0 stands where the address stood. Each is tried on the short lower-case text around one address only, and
# only where one of the words before it is there: looking for a word costs a tenth of looking for a pattern.
NOT_THE_SENDER = tuple(
    (words, re.compile(pattern))
    for words, pattern in (
        (("relay=",), r"relay=[^\s,]*\[\0"),
        (
            ("to ", "with ", "from "),
            r"\b(?:connect(?:ed|ing|ion)? (?:to|with)|conversation with|talking to|delivered to|greeting from"
            r"|(?:error|failure|failed|handshake|negotiation|session) (?:to|with)) [^\s\[(]{0,70} ?[\[(]?\0",
        ),
        (("h=",), r"\bh=\S+ \[\0\](?::\d{1,5})?:? (?:connection|network|no route|operation|host |smtp error|tls|lost)"),
        (
            ("host ",),
            r"(?<!client )(?<!connecting )(?<!sending )(?<!sender )(?<!remote )(?<!your )\bhost [^\s\[(]{1,70} ?[\[(]\0[\])]"
            r"(?! ?(?:is|was|has|black|block|reject|not|does|did|list|found|tempor|from|sender))",
        ),
        (("h=",), r"\bt=\S+ .{0,60}\bh=\S+ \[\0"),
        (
            ("said", "responded", "refused", "replied"),
            r"\b(?:server|mta|host|mx) \(?[^\s\[(]{1,70} ?[\[(]\0[\])] (?:said|responded|refused|replied)",
        ),
        (("remote-mta",), r"remote-mta:[^\0]{0,80}\0"),
        (("returnc/",), r"returnc/[a-z]{1,10}/\0"),
        (("resolver",), r"\bresolver\W{1,3}\0"),
        ((" - \0",), r"(?:complaints|volume|deferred|reasons?) - \0"),
        ((" v", "rfc", "section", "chapter"), r"\b(?:v(?:ersion)?|rfc ?\d{3,4}|section|chapter)[ .,:]{0,2}\0"),
        (("//\0",), r"//\0"),
        (("does not like", "failed after"), r"^\0 (?:does not like|failed after)"),
        (("giving up", " by "), r"\b(?:giving up on|said by|rejected by|refused by|blocked by) \[?\0"),
    )
)
IN_A_QUERY = re.compile(r"(?:https?://|www\.)\S*[?/&=]\0$")
CALLED_THE_SENDER = re.compile(
    r"(?:\b(?:client|connection|connecting|sending|sender|sender's|source|your|from|ip|ips|address|banned|for)\b"
    r"[^\[\]()\0]{0,45}"
    r"[\[(]?)\0"
)


def sender_address(line: str) -> Address | None:
    """The address that sent the mail, where the line names one that is complete and not masked.

    An address in the link to a blocklist counts most, then one that the text calls the client's or the sender's. One that
    is the receiver's in one place is so in every other where nothing is said of it.
    """
    found = _candidates(line)
    receivers = {ip for ip, weight in found if not weight}
    best: tuple[int, Address | None] = (0, None)
    for ip, weight in found:
        if weight > best[0] and (weight > NAMED or ip not in receivers):
            best = (weight, ip)
    return best[1] or _asked_about(line)


def _candidates(line: str) -> list[tuple[Address, int]]:
    """Every address in the line with its weight, the receiver's with none."""
    matches = list(islice(V4.finditer(line), MOST_CANDIDATES))
    if "::" in line or line.count(":") >= 7:  # fewer than an address of version 6 has, where times have some
        matches = sorted((*matches, *islice(V6.finditer(line), MOST_CANDIDATES)), key=lambda match: match.start())
    found = []
    for match in matches:
        if ip := _read(match[1]):
            before = line[max(0, match.start() - BEFORE) : match.start()]
            found.append((ip, _weight(before, line[match.end() : match.end() + AFTER])))
    return found


def _weight(before: str, after: str) -> int:
    before = before.lower()
    around = f"{before}\0{after.lower()}"
    if _is_the_receiver(around):
        return 0
    if IN_A_QUERY.search(f"{before}\0"):
        return IN_A_LINK
    return CALLED if CALLED_THE_SENDER.search(around) else NAMED


def _is_the_receiver(around: str) -> bool:
    for words, pattern in NOT_THE_SENDER:
        for word in words:
            if word in around:
                if pattern.search(around):
                    return True
                break
    return False


def _read(text: str) -> Address | None:
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    return None if ip.is_loopback or ip.is_unspecified or ip.is_multicast else ip


def _asked_about(line: str) -> Address | None:
    match = QUESTION.search(line.lower())
    return _read(".".join(reversed(match[1].split(".")))) if match else None
