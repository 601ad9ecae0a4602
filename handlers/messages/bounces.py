"""Messages about bounces, mail logs and the route of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.bounces.auth_results import AuthenticationResults
from bot.bounces.classify import Bounce
from bot.bounces.mail_log import LogSummary
from bot.bounces.message_headers import HeaderAnalysis
from bot.bounces.pasted_text import LogAnalysis, TextAnalysis
from bot.bounces.received import Hop
from bot.bounces.rules import load_rules
from handlers.message import Button, Card, Fact, Line, TextBlock, Tone
from handlers.messages.formatting import pluralize
from handlers.sanitize import sanitize_monospaced

FAULT_TONES = {
    "sender": Tone.BAD,
    "network": Tone.BAD,
    "receiver": Tone.WARN,
    "recipient": Tone.WARN,
    "nobody": Tone.UNSURE,
}
FAULT_TEXTS = {
    "sender": "the sender's",
    "network": "the provider's of the sending address, or its neighbours'",
    "receiver": "the receiver's",
    "recipient": "the recipient's",
    "nobody": "nobody's; it passes by itself",
}
ADDRESS_CATEGORIES = ("blocklist", "policy-block-pbl", "ip-reputation")
POLICY_TEXTS = {True: "yes: a rule about this kind of address, not about spam", False: "no"}
RESULT_TONES = {"pass": Tone.GOOD, "fail": Tone.BAD, "softfail": Tone.WARN, "permerror": Tone.BAD}
# Display names of the categories of bot.bounces; other categories are readable as they are.
CAUSE_NAMES = {
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
BAR_CHARACTER, BAR_LENGTH = "█", 20
MAX_LABEL_LENGTH = 34  # characters of a cause; with its bar it fits a phone in landscape
MAX_HOST_LENGTH = 60
MAX_NAMED = 5
MAX_CHECK_BUTTONS = 8


def bounce_card(bounce: Bounce) -> Card:
    """One refusal: meaning, responsible side, next step."""
    facts = (
        ("Whose fault", FAULT_TEXTS.get(bounce.at_fault, "")),
        ("Receiver", bounce.receiver),
        ("Your address", bounce.ip),
        ("List", load_rules().list_name(bounce.list) if bounce.list else ""),
        ("Policy block (PBL)", POLICY_TEXTS[_is_policy(bounce)] if bounce.category in ADDRESS_CATEGORIES else ""),
        ("Code", " ".join(str(code) for code in (bounce.smtp_code, bounce.enhanced_code) if code)),
    )
    page = (Button("Read on", url=bounce.advice_url),) if bounce.advice_url else ()
    return Card(
        bounce.summary,
        FAULT_TONES.get(bounce.at_fault, Tone.UNSURE),
        step=bounce.remediation,
        lines=(Line("The line in question:", quote=bounce.line),),
        facts=tuple(Fact(label, value) for label, value in facts if value),
        buttons=(*_check_buttons([bounce.ip] if bounce.ip else []), *page),
    )


def log_card(bounces: Sequence[Bounce], summary: LogSummary) -> Card:
    """Summary of a log: causes as bars, the step for the first, a button per refused address."""
    if len(bounces) == 1:
        return bounce_card(bounces[0])
    if not summary.refusals:
        return Card(
            f"No refusal in {pluralize(summary.lines, 'line')}",
            Tone.UNSURE,
            step=("Paste the lines of the mail log that say bounced, deferred or rejected, or the bounce itself."),
        )
    return Card(
        f"{pluralize(summary.refusals, 'refusal')} in {pluralize(summary.lines, 'line')}",
        Tone.BAD,
        step=summary.steps[0][0],
        facts=tuple(
            Fact(label, ", ".join(f"{name} ({number:,})" for name, number in names[:MAX_NAMED]))
            for label, names in (("Addresses refused", summary.addresses), ("Receivers", summary.receivers))
            if names
        ),
        text_block=TextBlock("Why, and how often", tuple(_cause_bars(summary))),
        buttons=_check_buttons([ip for ip, _ in summary.addresses[:MAX_CHECK_BUTTONS]]),
        footnote="The next step is for the most frequent cause.",
    )


def route_card(path: HeaderAnalysis) -> Card:
    """Route of a message from the oldest hop, and the egress address that receivers check."""
    if not path.hops:
        return Card("This is no message header: it has no Received lines.", Tone.WARN, private=True)
    target = " ".join(part for part in (path.egress.ip if path.egress else "", path.from_domain or "") if part)
    is_aligned = path.alignment.spf or path.alignment.dkim
    results = path.authentication[0] if path.authentication else AuthenticationResults(None, ())
    tones = [RESULT_TONES.get(result.result, Tone.UNSURE) for result in results.results]
    return Card(
        f"The message left its organisation from {path.egress.ip}"
        if path.egress
        else "These lines do not tell from which address the message left its organisation",
        Tone.GOOD if is_aligned and not any(tone in (Tone.BAD, Tone.WARN) for tone in tones) else Tone.WARN,
        step=f"Check {target}: receivers judge the message by it." if target else "",
        lines=(
            *((Line(path.egress.summary),) if path.egress else ()),
            *(Line(result.summary, tone) for result, tone in zip(results.results, tones, strict=True)),
            Line(path.alignment.summary, Tone.GOOD if is_aligned else Tone.WARN),
            Line(path.unsubscribe.summary, Tone.GOOD if path.unsubscribe.one_click else Tone.PLAIN),
        ),
        facts=(Fact("SPF, DKIM and DMARC as seen by", results.authserv_id),)
        if results.authserv_id and results.results
        else (),
        text_block=TextBlock("The way it took", tuple(_route_lines(path))),
        buttons=(Button(f"Check {target}", command=f"check {target}", primary=True),) if target else (),
        footnote=f"{pluralize(len(path.hops), 'hop')}" + (f" in {path.total_s} s" if path.total_s is not None else ""),
    )


def analysis_card(analysis: TextAnalysis) -> Card:
    """The card of a log, a bounce or a message header."""
    match analysis:
        case LogAnalysis(examples, summary):
            return log_card(examples, summary)
        case HeaderAnalysis():
            return route_card(analysis)


def lines_read_text(number: int) -> str:
    """Progress text while a log is read."""
    return f"{number:,} lines read"


def reading_card(what: str) -> Card:
    """Acknowledgement before a pasted text or a file is read."""
    return Card(
        f"Reading the {what} …", footnote="A long log takes some seconds; the result follows here.", private=True
    )


def _is_policy(bounce: Bounce) -> bool:
    return bounce.category == "policy-block-pbl"


def _check_buttons(addresses: Sequence[str]) -> tuple[Button, ...]:
    buttons = tuple(Button(f"Check {ip}", command=f"check {ip}", primary=len(addresses) == 1) for ip in addresses)
    if len(buttons) < 2:
        return buttons
    return (Button(f"Check all {len(buttons)}", command=f"check {' '.join(addresses)}", primary=True), *buttons)


def _cause_bars(summary: LogSummary) -> Iterator[str]:
    max_refusals = max(refusals for _, refusals in summary.causes)
    causes = [(_cause_label(category, name), refusals) for (category, name), refusals in summary.causes]
    width = max(len(cause) for cause, _ in causes)
    for cause, refusals in causes:
        bar = BAR_CHARACTER * max(1, round(refusals / max_refusals * BAR_LENGTH))
        yield f"{cause:<{width}}  {bar:<{BAR_LENGTH}} {refusals:>6,}"
    if rest := summary.refusals - sum(refusals for _, refusals in causes):
        yield f"{'everything else':<{width}}  {'':<{BAR_LENGTH}} {rest:>6,}"


def _cause_label(category: str, name: str) -> str:
    category_name = CAUSE_NAMES.get(category, category)
    return sanitize_monospaced(
        f"{category_name}: {load_rules().list_name(name)}" if name else category_name, MAX_LABEL_LENGTH
    )


def _route_lines(path: HeaderAnalysis) -> Iterator[str]:
    """Servers from the oldest to the newest, with the transfer between each two."""
    for index, hop in enumerate(path.hops):
        egress_mark = "  ◄ left here" if path.egress and path.egress.hop == index else ""
        address = f" [{hop.ip}]" if hop.ip else ""
        host = sanitize_monospaced(hop.resolved or hop.name or "unnamed", MAX_HOST_LENGTH)
        yield f"{host}{address}{egress_mark}"
        yield f"  │ {_transfer_text(hop)}"
    yield sanitize_monospaced(path.hops[-1].by or "unnamed", MAX_HOST_LENGTH)


def _transfer_text(hop: Hop) -> str:
    details = [
        hop.protocol or "",
        "encrypted" if hop.encrypted else "in the clear",
        "signed in" if hop.submitted else "",
    ]
    delay = f"{hop.delay_s} s" if hop.delay_s is not None else ""
    return ", ".join(part for part in (*details, delay) if part)
