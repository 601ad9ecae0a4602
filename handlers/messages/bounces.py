"""Messages about bounces, mail logs and the route of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.bounces.classify import INBOUND, Bounce
from bot.bounces.log_summary import CauseCount, LogSummary
from bot.bounces.message_headers import HeaderAnalysis
from bot.bounces.pasted_text import LogAnalysis, TextAnalysis
from bot.bounces.received import Hop
from bot.bounces.rules import load_rules
from handlers.message import Button, Card, Fact, Line, TextBlock, Tone
from handlers.messages.formatting import pluralize
from handlers.sanitize import sanitize_monospaced

SIDE_TONES = {
    "you": Tone.BAD,
    "provider": Tone.BAD,
    "receiver": Tone.WARN,
    "recipient": Tone.WARN,
    "forwarder": Tone.WARN,
    "sender": Tone.PLAIN,
    "nobody": Tone.UNSURE,
}
SIDE_TEXTS = {
    "you": "your side",
    "provider": "your provider or tenant",
    "receiver": "the recipient's admin",
    "recipient": "the recipient",
    "forwarder": "the forwarder",
    "sender": "the sender's side, not yours",
    "nobody": "no one: it clears by itself",
}
ADDRESS_CATEGORIES = ("blocklist", "policy-block-pbl", "ip-reputation")
POLICY_TEXTS = {True: "yes: a policy about this kind of address, not about spam", False: "no"}
# Lists that answer for several others: a refusal that names one does not say which of them it was.
COMBINED_LISTS = {"spamhaus-zen": "not known from this line: ZEN combines SBL, XBL and PBL; the check tells them apart"}
RESULT_TONES = {"pass": Tone.GOOD, "fail": Tone.BAD, "softfail": Tone.WARN, "permerror": Tone.BAD}
NO_HEADER = "There is no message header in this text: paste it from the first Received line on."
EGRESS_MARK, CLAIM_MARK = "  ◄ egress", "  (claimed)"
BAR_CHARACTER, BAR_LENGTH = "█", 20
MAX_LABEL_LENGTH = 34  # characters of a cause; with its bar it fits a phone in landscape
MAX_HOST_LENGTH = 60
MAX_NAMED = 5
MAX_CHECK_BUTTONS = 8


def bounce_card(bounce: Bounce) -> Card:
    """One refusal: meaning, who has to act, next step."""
    facts = (
        ("Fix on", SIDE_TEXTS.get(bounce.side, "")),
        ("Receiver", bounce.receiver),
        ("Refused address" if bounce.direction == INBOUND else "Your address", bounce.ip),
        ("List", load_rules().list_name(bounce.list) if bounce.list else ""),
        ("Policy block (PBL)", _policy_text(bounce) if bounce.category in ADDRESS_CATEGORIES else ""),
        ("Code", " ".join(str(code) for code in (bounce.smtp_code, bounce.enhanced_code) if code)),
    )
    page = (Button("Details", url=bounce.advice_url),) if bounce.advice_url else ()
    return Card(
        bounce.summary,
        SIDE_TONES.get(bounce.side, Tone.UNSURE),
        step=bounce.remediation,
        lines=(Line("Refusal:", quote=bounce.line),),
        facts=tuple(Fact(label, value) for label, value in facts if value),
        buttons=(*_check_buttons([bounce.ip] if bounce.ip else []), *page),
    )


CUT_SHORT = "The packed file is cut short: only what stands before the cut was read."


def log_card(bounces: Sequence[Bounce], summary: LogSummary) -> Card:
    """The sum of a log: what others refused, apart from what this server refused, and the step for the first cause."""
    refusals = summary.refusals + summary.refused_by_us + summary.recovered
    if len(bounces) == 1 and refusals <= 1:
        return bounce_card(bounces[0])
    if not refusals:
        return Card(
            f"No refusal in {pluralize(summary.lines, 'line')}",
            Tone.UNSURE,
            step=("Paste the lines of the mail log that say bounced, deferred or rejected, or the bounce itself."),
            lines=tuple(_log_lines(summary)),
        )
    causes = summary.causes or summary.own_causes
    own_causes = [f"{_cause_name(cause)} ({cause.messages:,})" for cause in summary.own_causes[:MAX_NAMED]]
    facts = (
        ("Your addresses", _counts(summary.addresses)),
        ("Receivers", _counts(summary.receivers)),
        ("Bounced / still deferred", f"{summary.bounced:,} / {summary.deferred:,}" if summary.refusals else ""),
        ("Refused attempts", f"{summary.attempts:,}" if summary.attempts > summary.refusals else ""),
        ("Delivered after a retry", f"{summary.recovered:,}" if summary.recovered else ""),
        ("Your server refused", f"{summary.refused_by_us:,}: {', '.join(own_causes)}" if summary.refused_by_us else ""),
    )
    return Card(
        _log_title(summary),
        _log_tone(summary),
        step=_log_step(summary),
        lines=tuple(_log_lines(summary)),
        facts=tuple(Fact(label, value) for label, value in facts if value),
        text_block=TextBlock(
            "Causes, by messages not delivered" if summary.causes else "What your server refused",
            tuple(_cause_bars(causes, summary.refusals or summary.refused_by_us)),
        )
        if causes
        else None,
        buttons=_check_buttons([ip for ip, _ in summary.addresses[:MAX_CHECK_BUTTONS]]),
        footnote="The next step is for the most frequent cause." if len(summary.causes) > 1 else "",
    )


def _log_lines(summary: LogSummary) -> Iterator[Line]:
    if summary.cut_short:
        yield Line(CUT_SHORT, Tone.WARN)
    for cause in summary.own_faults:
        count = pluralize(cause.messages, "refusal")
        yield Line(f"{count} by your own server: {_cause_name(cause)}. {cause.step}", Tone.BAD)


def _log_title(summary: LogSummary) -> str:
    if not summary.refusals:
        if summary.refused_by_us:
            others = pluralize(summary.refused_by_us, "message")
            return f"None of your mail was refused; your server refused {others} of others"
        return f"Every message was delivered, {summary.recovered:,} of them after a retry"
    first = summary.causes[0]
    at_least = "At least " if summary.at_least else ""
    title = f"{at_least}{pluralize(summary.refusals, 'message')} not delivered"
    if len(summary.causes) == 1 and not first.receiver_total:
        return f"{title}: {_cause_name(first)}"
    share = ""
    if first.receiver_total:
        percent = round(100 * first.receiver_messages / first.receiver_total)
        share = f", {percent} % of the mail to {first.receiver}"
    return f"{title}; {first.messages:,} of them: {_cause_name(first)}{share}"


def _log_tone(summary: LogSummary) -> Tone:
    if summary.refusals or summary.own_faults:
        return Tone.BAD
    return Tone.PLAIN if summary.refused_by_us else Tone.GOOD


def _log_step(summary: LogSummary) -> str:
    if summary.causes:
        return summary.causes[0].step
    faults = summary.own_faults or summary.own_causes
    return faults[0].step if faults else ""


def _counts(names: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({number:,})" for name, number in names[:MAX_NAMED])


def _policy_text(bounce: Bounce) -> str:
    return COMBINED_LISTS.get(bounce.list or "") or POLICY_TEXTS[bounce.category == "policy-block-pbl"]


def route_card(path: HeaderAnalysis) -> Card:
    """Route of a message from the oldest hop, the egress address, and what is proven of SPF, DKIM and DMARC."""
    if not path.is_header:
        return Card(NO_HEADER, Tone.WARN, private=True)
    target = " ".join(part for part in (path.egress.ip if path.egress else "", path.from_domain or "") if part)
    trusted = [field for field in path.authentication if field.is_trusted]
    results = [result for field in trusted for result in field.results]
    tones = [RESULT_TONES.get(result.result, Tone.UNSURE) for result in results]
    is_aligned = path.alignment.spf or path.alignment.dkim
    is_good = is_aligned and not any(tone in (Tone.BAD, Tone.WARN) for tone in tones)
    alignment_tone = Tone.GOOD if is_aligned else Tone.WARN if results else Tone.UNSURE
    checked_by = ", ".join(dict.fromkeys(field.authserv_id or "the receiving server" for field in trusted))
    seconds = f" in {path.total_s} s" if path.total_s is not None else ""
    return Card(
        f"The message left its organization from {path.egress.ip}"
        if path.egress
        else "These lines do not tell from which address the message left its organization",
        Tone.GOOD if is_good else Tone.WARN,
        step=f"Check {target}: receivers judge the message by it." if target else "",
        lines=(
            *(Line(egress.summary) for egress in (path.egress, path.last_hop) if egress),
            *(Line(result.summary, tone) for result, tone in zip(results, tones, strict=True)),
            Line(path.alignment.summary, alignment_tone),
            *(Line(claim, Tone.WARN) for claim in _claims(path)),
            Line(path.unsubscribe.summary, Tone.GOOD if path.unsubscribe.one_click else Tone.PLAIN),
        ),
        facts=(Fact("SPF, DKIM and DMARC as checked by", checked_by),) if results else (),
        text_block=TextBlock("Route", tuple(_route_lines(path))) if path.hops else None,
        buttons=(Button(f"Check {target}", command=f"check {target}", primary=True),) if target else (),
        footnote=f"{pluralize(len(path.hops), 'hop')}{seconds}",
    )


def _claims(path: HeaderAnalysis) -> Iterator[str]:
    """Results that anyone on the way may have written."""
    for field in path.authentication[:MAX_NAMED]:
        if not field.is_trusted and field.results:
            results = ", ".join(f"{result.method.upper()} {result.result}" for result in field.results)
            yield f"Claimed by {field.authserv_id or 'an unnamed server'}, not trusted: {results}."


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


def _check_buttons(addresses: Sequence[str]) -> tuple[Button, ...]:
    buttons = tuple(Button(f"Check {ip}", command=f"check {ip}", primary=len(addresses) == 1) for ip in addresses)
    if len(buttons) < 2:
        return buttons
    return (Button(f"Check all {len(buttons)}", command=f"check {' '.join(addresses)}", primary=True), *buttons)


def _cause_bars(causes: Sequence[CauseCount], total: int) -> Iterator[str]:
    max_messages = max(cause.messages for cause in causes)
    labels = [sanitize_monospaced(_cause_name(cause), MAX_LABEL_LENGTH) for cause in causes]
    width = max(map(len, labels))
    for label, cause in zip(labels, causes, strict=True):
        bar = BAR_CHARACTER * max(1, round(cause.messages / max_messages * BAR_LENGTH))
        yield f"{label:<{width}}  {bar:<{BAR_LENGTH}} {cause.messages:>6,}"
    if rest := total - sum(cause.messages for cause in causes):
        yield f"{'everything else':<{width}}  {'':<{BAR_LENGTH}} {rest:>6,}"


def _cause_name(cause: CauseCount) -> str:
    label = load_rules().label(cause.cause)
    return f"{label} ({load_rules().list_name(cause.list)})" if cause.list else label


def _route_lines(path: HeaderAnalysis) -> Iterator[str]:
    """Servers from the oldest to the newest, with the transfer between each two; claims are marked."""
    for index, hop in enumerate(path.hops):
        mark = EGRESS_MARK if path.egress and path.egress.hop == index else ""
        if path.border is not None and index < path.border:
            mark += CLAIM_MARK
        address = f" [{hop.ip}]" if hop.ip else ""
        host = sanitize_monospaced(hop.resolved or hop.name or "unnamed", MAX_HOST_LENGTH)
        yield f"{host}{address}{mark}"
        yield f"  │ {_transfer_text(hop)}"
    yield sanitize_monospaced(path.hops[-1].by or "unnamed", MAX_HOST_LENGTH)


def _tls(hop: Hop) -> str:
    """Whether the hop was encrypted; empty where its line names no protocol, so that nothing is known."""
    if hop.encrypted:
        return "TLS"
    return "no TLS" if hop.protocol else ""


def _transfer_text(hop: Hop) -> str:
    details = [hop.protocol or "", _tls(hop), "authenticated" if hop.submitted else ""]
    delay = f"{hop.delay_s} s" if hop.delay_s is not None else ""
    return ", ".join(part for part in (*details, delay) if part)
