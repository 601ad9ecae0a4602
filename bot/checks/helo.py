"""The name a server greets with (HELO): it should be its reverse name, and lead back to its address. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bot.checks.outcomes import Code
from bot.checks.questions import Host
from bot.model import Address, Finding, Verdict

CODES: Mapping[str, Code] = {
    "helo.ok": Code("The HELO name is the confirmed reverse name of the address.", "RFC 5321 §4.1.4"),
    "helo.other-name": Code(
        "The HELO name leads to the address, but the reverse name is another one.",
        "RFC 5321 §2.3.5",
        "Make the server greet with its reverse name.",
    ),
    "helo.elsewhere": Code(
        "The HELO name leads to other addresses than the one that greets with it.",
        "RFC 5321 §4.1.4",
        "Make the server greet with its reverse name, and let that name lead to the address.",
    ),
    "helo.missing": Code(
        "The HELO name has no address.",
        "RFC 5321 §2.3.5",
        "Give the name an address record, or greet with the reverse name.",
    ),
    "helo.not-a-name": Code(
        "The HELO is not a full domain name.", "RFC 5321 §4.1.1.1", "Make the server greet with its full domain name."
    ),
    "helo.no-answer": Code(
        "The DNS did not answer for the HELO name.", "RFC 5321 §2.3.5", "Check again in a few minutes."
    ),
}
SAME = "Make the server greet with its reverse name, and let that name lead to the address."


def judge_helo(helo: str, ip: Address, confirmed: Collection[str], host: Host | None) -> Finding:
    """`confirmed` are the reverse names of the address that lead back to it; `host` is None for a HELO that is no name."""
    if host is None:
        says = "The server greets with something that is not a full domain name; some receivers refuse that."
        return _finding(helo, Verdict.FAIL, "helo.not-a-name", says, SAME)
    name = host.name
    if name in confirmed:
        return _finding(helo, Verdict.PASS, "helo.ok", f"The server greets as {name}, which is its reverse name.", "")
    if str(ip) in host.addresses:
        says = f"The server greets as {name}, which leads to {ip}, but its reverse name is another one."
        return _finding(helo, Verdict.WARN, "helo.other-name", says, SAME)
    if host.unanswered:
        says = f"The DNS did not answer for the HELO name {name} ({host.unanswered}), so it is not known to be right."
        return _finding(helo, Verdict.UNKNOWN, "helo.no-answer", says, "Check again in a few minutes.")
    if host.addresses:
        says = f"The server greets as {name}, but that name leads to other addresses than {ip}."
        return _finding(helo, Verdict.WARN, "helo.elsewhere", says, SAME)
    says = f"The server greets as {name}, a name without an address; many receivers refuse that."
    return _finding(helo, Verdict.FAIL, "helo.missing", says, SAME)


def _finding(helo: str, verdict: Verdict, code: str, says: str, step: str) -> Finding:
    return Finding("helo", helo, verdict, code, says, step, facts={"helo": helo})
