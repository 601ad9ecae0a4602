"""A bounce explained, a log summed up, the way of a message."""

from __future__ import annotations

from collections.abc import Sequence

from bot.bounces.headers import Path
from bot.bounces.logs import Summary
from bot.bounces.received import Hop
from bot.bounces.replies import Bounce
from handlers.card import Button, Card, Fact, Line, Table, Tone
from handlers.messages.words import count

FAULTS = {
    "sender": Tone.BAD,
    "network": Tone.BAD,
    "receiver": Tone.WARN,
    "recipient": Tone.WARN,
    "nobody": Tone.UNSURE,
}
BAR = "█"
BAR_LENGTH = 20
ADDRESSES_TO_CHECK = 4


def bounce_card(bounce: Bounce) -> Card:
    """One refusal: what it means, whose fault it is, the one next step."""
    facts = (
        ("Receiver", bounce.receiver),
        ("Your address", bounce.ip),
        ("List", bounce.list),
        ("Code", " ".join(str(code) for code in (bounce.smtp_code, bounce.enhanced_code) if code)),
    )
    check = (Button(f"Check {bounce.ip}", command=f"check {bounce.ip}"),) if bounce.ip else ()
    page = (Button("Read on", url=bounce.advice_url),) if bounce.advice_url else ()
    return Card(
        bounce.says,
        FAULTS.get(bounce.at_fault, Tone.UNSURE),
        step=bounce.step,
        lines=(Line("The line in question:", quote=bounce.line),),
        facts=tuple(Fact(label, value) for label, value in facts if value),
        buttons=(*page, *check),
    )


def bounces_card(bounces: Sequence[Bounce], summary: Summary) -> Card:
    """A log summed up: the top causes as bars, the step for the first, a button for each address that was refused."""
    if len(bounces) == 1:
        return bounce_card(bounces[0])
    most = max((number for _, number in summary.causes), default=1)
    rows = tuple(
        (_cause(category, name), BAR * max(1, round(number / most * BAR_LENGTH)), str(number))
        for (category, name), number in summary.causes
    )
    return Card(
        f"{count(summary.refusals, 'refusal')} in {count(summary.lines, 'line')}",
        Tone.BAD if summary.refusals else Tone.GOOD,
        step=summary.steps[0][0] if summary.steps else "",
        facts=tuple(
            Fact(label, ", ".join(f"{name} ({number})" for name, number in names[:5]))
            for label, names in (("Addresses", summary.addresses), ("Receivers", summary.receivers))
            if names
        ),
        table=Table(("Cause", "", "How often"), rows) if rows else None,
        buttons=tuple(Button(f"Check {ip}", command=f"check {ip}") for ip, _ in summary.addresses[:ADDRESSES_TO_CHECK]),
    )


def path_card(path: Path) -> Card:
    """The way of one message, oldest hop first; the address that left the organisation comes first of all."""
    if not path.hops:
        return Card("This is no message header: it has no Received lines.", Tone.WARN, private=True)
    rows = tuple((str(number), *_hop(hop)) for number, hop in enumerate(path.hops, 1))
    target = " ".join(part for part in (path.egress.ip if path.egress else "", path.from_domain or "") if part)
    aligned = path.alignment.spf or path.alignment.dkim
    return Card(
        path.egress.says if path.egress else "The address that left the organisation cannot be told from these lines.",
        Tone.GOOD if aligned else Tone.WARN,
        lines=(
            Line(path.alignment.says, Tone.GOOD if aligned else Tone.WARN),
            Line(path.unsubscribe.says, Tone.PLAIN),
            *(
                Line(f"{seen.by or 'A server'} says: {', '.join(f'{r.method} {r.result}' for r in seen.results)}.")
                for seen in path.authentication
                if seen.results
            ),
        ),
        table=Table(("Hop", "From", "Address", "By", "Delay"), rows),
        buttons=(Button(f"Check {target}", command=f"check {target}"),) if path.egress else (),
        footnote=f"{count(len(path.hops), 'hop')}" + (f" in {path.total_s} s" if path.total_s is not None else ""),
    )


def _cause(category: str, name: str) -> str:
    return f"{category}: {name}" if name else category


def _hop(hop: Hop) -> tuple[str, str, str, str]:
    delay = f"{hop.delay_s} s" if hop.delay_s is not None else "–"
    return hop.resolved or hop.name or "–", str(hop.ip or "–"), hop.by or "–", delay
