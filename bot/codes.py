"""Every finding code and its meaning, as the page `docs/checks.md`: `make docs` writes it, a test keeps it true."""

from __future__ import annotations

from collections.abc import Mapping

from bot import doctor
from bot.bounces import replies
from bot.checks import (
    bimi,
    blocklists,
    dane,
    dkim,
    dmarc,
    dnssec,
    holder,
    mta_sts,
    mx,
    network,
    ptr,
    senders,
    spf,
    starttls,
    tls_rpt,
)

OURS = {
    f"{check}.{word}": meaning
    for check in (
        "blocklist",
        "network",
        "ptr",
        "spf",
        "dmarc",
        "mx",
        "dkim",
        "dane",
        "bimi",
        "mta-sts",
        "tls-rpt",
        "starttls",
    )
    for word, meaning in (
        ("no-answer", "DNS did not answer, or not in time, so the result is not known."),
        ("broken", "The check broke on the bot's side; its log has the reason."),
    )
}
ROOMS: Mapping[str, Mapping[str, str]] = {
    "Blocklists": blocklists.CODES,
    "Reverse name and HELO": ptr.CODES,
    "SPF": spf.CODES,
    "DMARC": dmarc.CODES,
    "MX": mx.CODES,
    "DKIM": dkim.CODES,
    "MTA-STS": mta_sts.CODES,
    "TLS reporting": tls_rpt.CODES,
    "STARTTLS": starttls.CODES,
    "DANE": dane.CODES,
    "BIMI": bimi.CODES,
    "The address and the name themselves": {**network.CODES, **holder.CODES, **dnssec.CODES},
    "Would they take your mail?": senders.CODES,
    "`mailcheck doctor`": doctor.CODES,
}
OPENING = """# What mailcheck can find

Every finding has a stable code, `check.word-word`. Programs may rely on a code; the sentence beside it may change.
A verdict is pass, unknown, warn or fail; what could not be learned is unknown, never pass.
"""


def page() -> str:
    """The page in Markdown."""
    told = {code for codes in ROOMS.values() for code in codes}
    rooms = {**ROOMS, "Any check": {code: meaning for code, meaning in OURS.items() if code not in told}}
    sections = (_section(title, codes) for title, codes in rooms.items())
    return "\n".join((OPENING, *sections, _section("What a bounce is about", replies.CODES, "category")))


def _section(title: str, codes: Mapping[str, str], word: str = "code") -> str:
    rows = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in codes.items())
    return f"## {title}\n\n| {word} | meaning |\n|---|---|\n{rows}\n"


if __name__ == "__main__":
    print(page(), end="")
