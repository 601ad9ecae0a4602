"""The codes of a refusal and the parts of its line that are not its reason (RFC 5321 replies, RFC 3463 codes)."""

from __future__ import annotations

import re

SMTP_CODE = re.compile(r"""(?:^|[\s:;,"'(<>|}=])([45]\d\d)(?=[- ,"]|$)""")
ENHANCED_CODE = re.compile(r"(?<![\w.])([45]\.\d{1,3}\.\d{1,3})(?!\d|\.\d)")
MASK = ".x.x"
MASKED_CODE = re.compile(r"\b(?:[245](?:\d\d|xx)[- ])?[45x]\.x\.xx?\b")

# What a mail server's log and its report put around the reason: commands, envelope addresses, session details.
# Every branch begins with a character of its own, so that a line is looked through at the speed of C.
SURROUNDINGS = re.compile(
    r"\(in reply to [^)]{0,60}\)"
    r"|(?:after|during|in response to) (?:initial connection|(?:pipelined )?"
    r"(?:ehlo|helo|mail from|rcpt to|data|end of data|starttls|sending data block|connect)\b"
    r"(?::?<?[^\s<>]{0,120}>?)?(?: size=\d+)?)"
    r"|[\s;,(](?:from|proto|helo|sasl_username|sasl_method|x|cv|dn|p|s|i)=<?[^\s<>]{0,200}>?"
    r"|<[^<>\s]{0,200}@[^<>\s]{0,200}>"
    r"|(?:rcpt|mail|helo|ehlo|data|connect|connection|message|etrn|vrfy)"
    r" from [^\s\[]{1,200}\[[0-9a-f.:]{2,45}\](?::\d{1,5})?:"
    r"|h=(?<!\wh=)[^\s]{0,200} ?(?:\([^)]{0,100}\) )?\[[0-9a-f.:]{2,45}\](?::\d{1,5})?"
    r"|smtp error from remote mail(?: server|er)|remote (?:host|server) (?:said|returned|replied):?|diagnostic-code\s?:"
    r"|host (?<!\whost )(?<!client host )(?<!connecting host )(?<!sending host )(?!h=)[^\s\[]{1,80} ?\[[0-9a-f.:]{2,45}\]"
    r"(?= said| refused| smtp error|:)(?: said)?:?"
    r"|(?:server |host [^\s]{1,80} )?refused to talk to me:?|giving up on [^\s]{1,50}"
)
ADDRESS = re.compile(
    r"(?<![\w.])\[?(?:ipv6:)?(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{1,4}:){2,7}:?[0-9a-f:.]{0,40})\]?(?!\.?\w)"
)
THE_ADDRESS = " ipaddress "  # how an address reads in a phrase of the rules
LINK = re.compile(r"(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww][Ww][Ww]\.)[^\s<>\"'\\]{1,400}")


def smtp_code(line: str) -> int | None:
    """The first reply code of the line that refuses, 400 to 599."""
    match = SMTP_CODE.search(line)
    return int(match[1]) if match else None


def enhanced_code(line: str) -> str | None:
    """The first enhanced code of the line that refuses: 4.x.x or 5.x.x. A part of an address is none."""
    match = ENHANCED_CODE.search(line)
    return match[1] if match else None


def reason(line: str) -> str:
    """The line in lower case, without what surrounds the reason and the codes that begin every line of a long reply."""
    code, enhanced = smtp_code(line), enhanced_code(line)
    text = SURROUNDINGS.sub(" ", f" {line.lower()}")
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
    """Every link in the line, without the punctuation of the sentence around it."""
    return [match[0].rstrip(".,;:!?)]}>*|") for match in LINK.finditer(line)]


def without_links(text: str) -> str:
    """The text with its links left out."""
    return LINK.sub(" ", text)


def with_addresses_alike(text: str) -> str:
    """The text with the word `ipaddress` for every address, so that a phrase can say where one stands."""
    return ADDRESS.sub(THE_ADDRESS, text)
