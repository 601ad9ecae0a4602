"""Codes of a refusal (RFC 5321 replies, RFC 3463 codes) and its reason without the log context."""

from __future__ import annotations

import re

SMTP_CODE = re.compile(r"""(?:^|[\s:;,"'(<>|}=])([45]\d\d)(?=[- ,"]|$)""")
ENHANCED_CODE = re.compile(r"(?<![\w.])([45]\.\d{1,3}\.\d{1,3})(?!\d|\.\d)")
MASK = ".x.x"
MASKED_CODE = re.compile(r"\b(?:[245](?:\d\d|xx)[- ])?[45x]\.x\.xx?\b")

# Log context around the reason: commands, envelope addresses, session details.
# Every branch starts with a literal of its own, so that the regex engine can skip ahead fast.
LOG_CONTEXT = re.compile(
    r"\(in reply to [^)]{0,60}\)"
    r"|(?:after|during|in response to) (?:initial connection|(?:pipelined )?"
    r"(?:ehlo|helo|mail from|rcpt to|data|end of data|starttls|sending data block|connect)\b"
    r"(?::?<?[^\s<>]{0,120}>?)?(?: size=\d+)?)"
    r"|[\s;,(](?:from|proto|helo|sasl_username|sasl_method|x|cv|dn|p|s|i)=<?[^\s<>]{0,200}>?"
    r"|<[^<>\s]{0,200}@[^<>\s]{0,200}>"
    r"|(?:rcpt|mail|helo|ehlo|data|connect|connection|message|etrn|vrfy)"
    r" from [^\s\[]{1,200}\[[0-9a-f.:]{2,45}\](?::\d{1,5})?:"
    r"|h=(?<!\wh=)[^\s]{0,200} ?(?:\([^)]{0,100}\) )?\[[0-9a-f.:]{2,45}\](?::\d{1,5})?"
    r"|smtp error from remote mail(?: server|er)|remote (?:host|server) (?:said|returned|replied):?"
    r"|diagnostic-code\s?:|recipient address rejected: (?!access denied)"
    r"|host (?<!\whost )(?<!client host )(?<!connecting host )(?<!sending host )(?!h=)"
    r"[^\s\[]{1,80} ?\[[0-9a-f.:]{2,45}\]"
    r"(?= said| refused| smtp error|:)(?: said)?:?"
    r"|(?:server |host [^\s]{1,80} )?refused to talk to me:?|giving up on [^\s]{1,50}"
)
ADDRESS = re.compile(
    r"(?<![\w.])\[?(?:ipv6:)?(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{1,4}:){2,7}:?[0-9a-f:.]{0,40})\]?(?!\.?\w)"
)
ADDRESS_PLACEHOLDER = " ipaddress "  # placeholder of an address in phrases of the rules
LINK = re.compile(r"(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww][Ww][Ww]\.)[^\s<>\"'\\]{1,400}")


def smtp_code(line: str) -> int | None:
    """The first reply code from 400 to 599."""
    match = SMTP_CODE.search(line)
    return int(match[1]) if match else None


def enhanced_code(line: str) -> str | None:
    """The first enhanced status code 4.x.x or 5.x.x that is not part of an address."""
    match = ENHANCED_CODE.search(line)
    return match[1] if match else None


def reason(line: str) -> str:
    """The line in lower case, without log context and the codes that start each line of a reply."""
    code, enhanced = smtp_code(line), enhanced_code(line)
    text = LOG_CONTEXT.sub(" ", f" {line.lower()}")
    if MASK in text:
        text = MASKED_CODE.sub(" ", text)
    if code and enhanced:
        text = text.replace(f"{code}-{enhanced}", " ").replace(f"{code} {enhanced}", " ")
    if enhanced:
        text = text.replace(enhanced, " ")
    if code:
        text = text.replace(f"{code}-", " ")
    return text


def links(line: str) -> list[str]:
    """All links in the line, without trailing punctuation."""
    return [match[0].rstrip(".,;:!?)]}>*|") for match in LINK.finditer(line)]


def strip_links(text: str) -> str:
    """The text without its links."""
    return LINK.sub(" ", text)


def mask_addresses(text: str) -> str:
    """The text with the word `ipaddress` for every address, for matching by phrases."""
    return ADDRESS.sub(ADDRESS_PLACEHOLDER, text)
