"""A bounce explained, a log summed up, the way of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.bounces.auth_results import Authentication
from bot.bounces.classify import Bounce
from bot.bounces.mail_log import Summary
from bot.bounces.message_headers import Path
from bot.bounces.received import Hop
from bot.bounces.rules import rules
from handlers.message import Button, Card, Fact, Line, Sketch, Tone
from handlers.messages.formatting import count
from handlers.sanitize import aligned

FAULTS = {
    "sender": Tone.BAD,
    "network": Tone.BAD,
    "receiver": Tone.WARN,
    "recipient": Tone.WARN,
    "nobody": Tone.UNSURE,
}
WHOSE = {
    "sender": "the sender's",
    "network": "the provider's of the sending address, or its neighbours'",
    "receiver": "the receiver's",
    "recipient": "the recipient's",
    "nobody": "nobody's; it passes by itself",
}
ABOUT_THE_ADDRESS = ("blocklist", "policy-block-pbl", "ip-reputation")
POLICY = {True: "yes: a rule about this kind of address, not about spam", False: "no"}
RESULTS = {"pass": Tone.GOOD, "fail": Tone.BAD, "softfail": Tone.WARN, "permerror": Tone.BAD}
# The categories of bot.bounces as a person would call them; the others are called so already.
CAUSES = {
    "policy-block-pbl": "policy block (PBL)",
    "ip-reputation": "address reputation",
    "domain-reputation": "domain reputation",
    "no-ptr": "no reverse name",
    "helo": "greeting of the server",
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
    "rate-limit": "too much at once",
    "greylist": "greylisting",
    "tls": "encryption",
    "relay": "relaying",
    "other": "no reason that is known",
}
BAR, BAR_LENGTH = "█", 20
LABEL = 34  # characters of a cause beside its bar; with the bar it fits a phone held sideways
HOST = 60
MOST_NAMED = 5
MOST_CHECKED = 8


def bounce_card(bounce: Bounce) -> Card:
    """One refusal: what it means, whose fault it is, the one next step."""
    facts = (
        ("Whose fault", WHOSE.get(bounce.at_fault, "")),
        ("Receiver", bounce.receiver),
        ("Your address", bounce.ip),
        ("List", rules().name_of_list(bounce.list) if bounce.list else ""),
        ("Policy block (PBL)", POLICY[_is_policy(bounce)] if bounce.category in ABOUT_THE_ADDRESS else ""),
        ("Code", " ".join(str(code) for code in (bounce.smtp_code, bounce.enhanced_code) if code)),
    )
    page = (Button("Read on", url=bounce.advice_url),) if bounce.advice_url else ()
    return Card(
        bounce.says,
        FAULTS.get(bounce.at_fault, Tone.UNSURE),
        step=bounce.step,
        lines=(Line("The line in question:", quote=bounce.line),),
        facts=tuple(Fact(label, value) for label, value in facts if value),
        buttons=(*_checks([bounce.ip] if bounce.ip else []), *page),
    )


def bounces_card(bounces: Sequence[Bounce], summary: Summary) -> Card:
    """A log summed up: the top causes as bars, the step for the first, a button for each address that was refused."""
    if len(bounces) == 1:
        return bounce_card(bounces[0])
    if not summary.refusals:
        return Card(
            f"No refusal in {count(summary.lines, 'line')}",
            Tone.UNSURE,
            step="Paste the lines of the mail log that say bounced, deferred or rejected, or the bounce itself.",
        )
    return Card(
        f"{count(summary.refusals, 'refusal')} in {count(summary.lines, 'line')}",
        Tone.BAD,
        step=summary.steps[0][0],
        facts=tuple(
            Fact(label, ", ".join(f"{name} ({number:,})" for name, number in names[:MOST_NAMED]))
            for label, names in (("Addresses refused", summary.addresses), ("Receivers", summary.receivers))
            if names
        ),
        sketch=Sketch("Why, and how often", tuple(_bars(summary))),
        buttons=_checks([ip for ip, _ in summary.addresses[:MOST_CHECKED]]),
        footnote="The next step is for the most frequent cause.",
    )


def path_card(path: Path) -> Card:
    """The way of one message from the oldest hop, and the address that receivers judge it by."""
    if not path.hops:
        return Card("This is no message header: it has no Received lines.", Tone.WARN, private=True)
    target = " ".join(part for part in (path.egress.ip if path.egress else "", path.from_domain or "") if part)
    aligned_at_all = path.alignment.spf or path.alignment.dkim
    checked = path.authentication[0] if path.authentication else Authentication(None, ())
    tones = [RESULTS.get(result.result, Tone.UNSURE) for result in checked.results]
    return Card(
        f"The message left its organisation from {path.egress.ip}"
        if path.egress
        else "These lines do not tell from which address the message left its organisation",
        Tone.GOOD if aligned_at_all and not any(tone in (Tone.BAD, Tone.WARN) for tone in tones) else Tone.WARN,
        step=f"Check {target}: receivers judge the message by it." if target else "",
        lines=(
            *((Line(path.egress.says),) if path.egress else ()),
            *(Line(result.says, tone) for result, tone in zip(checked.results, tones, strict=True)),
            Line(path.alignment.says, Tone.GOOD if aligned_at_all else Tone.WARN),
            Line(path.unsubscribe.says, Tone.GOOD if path.unsubscribe.one_click else Tone.PLAIN),
        ),
        facts=(Fact("SPF, DKIM and DMARC as seen by", checked.by),) if checked.by and checked.results else (),
        sketch=Sketch("The way it took", tuple(_way(path))),
        buttons=(Button(f"Check {target}", command=f"check {target}", primary=True),) if target else (),
        footnote=f"{count(len(path.hops), 'hop')}" + (f" in {path.total_s} s" if path.total_s is not None else ""),
    )


def lines_read(number: int) -> str:
    """How far the reading of a log is."""
    return f"{number:,} lines read"


def reading_card(what: str) -> Card:
    """Said at once, before a pasted text or a file is read."""
    return Card(
        f"Reading the {what} …", footnote="A long log takes some seconds; the result follows here.", private=True
    )


def _is_policy(bounce: Bounce) -> bool:
    return bounce.category == "policy-block-pbl"


def _checks(addresses: Sequence[str]) -> tuple[Button, ...]:
    each = tuple(Button(f"Check {ip}", command=f"check {ip}", primary=len(addresses) == 1) for ip in addresses)
    if len(each) < 2:
        return each
    return (Button(f"Check all {len(each)}", command=f"check {' '.join(addresses)}", primary=True), *each)


def _bars(summary: Summary) -> Iterator[str]:
    most = max(number for _, number in summary.causes)
    causes = [(_cause(category, name), number) for (category, name), number in summary.causes]
    wide = max(len(cause) for cause, _ in causes)
    for cause, number in causes:
        bar = BAR * max(1, round(number / most * BAR_LENGTH))
        yield f"{cause:<{wide}}  {bar:<{BAR_LENGTH}} {number:>6,}"
    if rest := summary.refusals - sum(number for _, number in causes):
        yield f"{'everything else':<{wide}}  {'':<{BAR_LENGTH}} {rest:>6,}"


def _cause(category: str, name: str) -> str:
    said = CAUSES.get(category, category)
    return aligned(f"{said}: {rules().name_of_list(name)}" if name else said, LABEL)


def _way(path: Path) -> Iterator[str]:
    """Servers from the oldest to the newest, and between two of them how and how fast it went."""
    for place, hop in enumerate(path.hops):
        left = "  ◄ left here" if path.egress and path.egress.hop == place else ""
        address = f" [{hop.ip}]" if hop.ip else ""
        yield f"{aligned(hop.resolved or hop.name or 'unnamed', HOST)}{address}{left}"
        yield f"  │ {_handing_over(hop)}"
    yield aligned(path.hops[-1].by or "unnamed", HOST)


def _handing_over(hop: Hop) -> str:
    how = [hop.protocol or "", "encrypted" if hop.encrypted else "in the clear", "signed in" if hop.submitted else ""]
    took = f"{hop.delay_s} s" if hop.delay_s is not None else ""
    return ", ".join(part for part in (*how, took) if part)
