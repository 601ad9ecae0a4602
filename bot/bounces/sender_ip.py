"""Find the address of the sender in a refusal, never that of the server that refused."""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import islice

from bot.models import Address

MAX_CANDIDATES = 64
MENTIONED, CALLED_SENDER, IN_LINK = 1, 2, 3  # weights: how likely the address is the sender's
BEFORE, AFTER = 90, 60  # characters of context around an address

QUAD = r"\d{1,3}(?:\.\d{1,3}){3}"
V4 = re.compile(rf"(?<![\w.])(?<![A-Za-z]-)({QUAD})(?![0-9A-Za-z]|\.\w|-[A-Za-z])")
V6 = re.compile(r"(?<![\w:.])(?:IPv6:)?((?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4})?(?:\.\d{1,3}){0,3})(?![\w:])")
# 5.113.0.203.zen.example.org: a DNSBL query, with the address reversed.
DNSBL_QUERY = re.compile(
    rf"(?<![\w.])({QUAD})\.(?:[a-z0-9-]{{1,40}}\.){{0,3}}?(?:in-addr|zen"
    rf"|[a-z0-9-]{{0,20}}bl[a-z0-9-]{{0,20}})\."
)

# \0 marks the position of the address. A pattern is tried on the lower-case context of one address,
# and only if one of its words occurs in it: a substring test costs a tenth of a regex search.
RECEIVER_PATTERNS = tuple(
    (words, re.compile(pattern))
    for words, pattern in (
        (("{ip=",), r"\{ip=\0"),
        (("relay=",), r"relay=(?:[^\s,]{0,90}\[|\"?)\0"),
        (("remote=", "mx=", "peer=", "dest="), r"\b(?:remote|mx|peer|dest)=\"?(?:[^\s,\[(]{1,90}[\[(])?\0"),
        (("via ",), r"\bvia [^\s\[(]{1,90} ?[\[(]\0"),
        (("ホスト", "主机", "хост", "сервер"), r"(?:ホスト|主机|хост|сервер) [^\s\[(]{1,90} ?[\[(]\0[\])]"),
        (
            ("ip=", "ip:", 'ip":', "server"),
            r"\b(?:lastattemptedip|remote[_ -]?ip|remotemtaip|mx[_ -]?ip|dest(?:ination)?[_ -]?ip|peer[_ -]?ip)"
            r"[=:\"' \[]{1,5}\0",
        ),
        (("host: ",), r"\bhost: ?[^\s(\[]{1,80} ?[(\[]\0"),
        (
            ("mailserver", "mail server"),
            r"(?<!your )(?<!sending )(?<!sender's )(?<!client )\b(?:remote |recipient |recipient's |destination )?"
            r"mail ?server [(\[]\0[)\]](?! ?(?:is|was|has|blocked|listed))",
        ),
        (("policy", "rule", "engine", "build", "release"), r"\b(?:policy|rule|engine|build|release) ?[(#]?v?\0"),
        (
            ("to ", "with ", "from "),
            r"\b(?:connect(?:ed|ing|ion)? (?:to|with)|conversation with|talking to"
            r"|delivered to|greeting from"
            r"|(?:error|failure|failed|handshake|negotiation|session) (?:to|with))"
            r" [^\s\[(]{0,70} ?[\[(]?\0",
        ),
        (
            ("h=",),
            r"\bh=\S{1,90} \[\0\](?::\d{1,5})?:?"
            r" (?:connection|network|no route|operation|host |smtp error|tls|lost)",
        ),
        (
            ("host ",),
            r"(?<!client )(?<!connecting )(?<!sending )(?<!sender )(?<!remote )(?<!your )"
            r"\bhost [^\s\[(]{1,70} ?[\[(]\0[\])]"
            r"(?! ?(?:is|was|has|black|block|reject|not|does|did|list|found|tempor|from|sender))",
        ),
        (("h=",), r"\bt=\S{1,90} .{0,60}\bh=\S{1,90} \[\0"),
        (
            ("said", "responded", "refused", "replied"),
            r"\b(?:server|mta|host|mx) \(?[^\s\[(]{1,70} ?[\[(]\0[\])]"
            r" (?:said|responded|refused|replied)",
        ),
        (("server at", "endpoint"), r"\b(?:server at [^\s(]{1,90} \(|last endpoint attempted was )\0"),
        ((". \0", "\0:"), r"\[[^\s\[\]]{1,90}(?:\. \0| \0:)"),
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
BLOCKLIST_LINK = re.compile(r"(?:https?://|www\.)\S{0,90}[?/&=]\0$")
SENDER_PATTERN = re.compile(
    r"(?:\b(?:client|connection|connecting|sending|sender|sender's|source|your|from|ip|ips|address|banned|for)\b"
    r"[^\[\]()\0]{0,45}"
    r"[\[(]?)\0"
)


def sender_address(line: str) -> Address | None:
    """The address that sent the mail, if the line has one that is complete and not masked.

    An address in a blocklist link has the most weight, then one called the client's or the
    sender's. An address that is the receiver's in one place counts nowhere without such a mark.
    """
    candidates = _candidates(line)
    receivers = {ip for ip, weight in candidates if not weight}
    best: tuple[int, Address | None] = (0, None)
    for ip, weight in candidates:
        if weight > best[0] and (weight > MENTIONED or ip not in receivers):
            best = (weight, ip)
    return best[1] or _dnsbl_query_address(line)


def _candidates(line: str) -> list[tuple[Address, int]]:
    """Every address in the line with its weight; 0 marks the receiver."""
    matches = list(islice(V4.finditer(line), MAX_CANDIDATES))
    if "::" in line or line.count(":") >= 7:  # times have fewer colons than IPv6 addresses
        matches = sorted((*matches, *islice(V6.finditer(line), MAX_CANDIDATES)), key=lambda match: match.start())
    candidates = []
    for match in matches:
        if ip := _parse(match[1]):
            before = line[max(0, match.start() - BEFORE) : match.start()]
            candidates.append((ip, _weight(before, line[match.end() : match.end() + AFTER])))
    return candidates


def _weight(before: str, after: str) -> int:
    before = before.lower()
    context = f"{before}\0{after.lower()}"
    if _is_receiver(context):
        return 0
    if BLOCKLIST_LINK.search(f"{before}\0"):
        return IN_LINK
    return CALLED_SENDER if SENDER_PATTERN.search(context) else MENTIONED


def _is_receiver(context: str) -> bool:
    for words, pattern in RECEIVER_PATTERNS:
        for word in words:
            if word in context:
                if pattern.search(context):
                    return True
                break
    return False


def _parse(text: str) -> Address | None:
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    return None if ip.is_loopback or ip.is_unspecified or ip.is_multicast else ip


def _dnsbl_query_address(line: str) -> Address | None:
    match = DNSBL_QUERY.search(line.lower())
    return _parse(".".join(reversed(match[1].split(".")))) if match else None
