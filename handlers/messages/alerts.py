"""What an alert adds to its thread. Each names what it is about, because a reply may be shown outside of the thread.

The message that begins the thread of an alert and is kept up to date, and who is told that there is no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.inputs.durations import write_duration
from bot.monitoring.models import Alert, Incident, Problem, Reason, Watch
from bot.monitoring.observations import BLOCKLIST
from handlers.message import Button, Card, Fact, Line, Tone
from handlers.messages.formatting import MUTE_FOR
from handlers.messages.problems import (
    by_address,
    gone,
    known_before,
    lines_of,
    lost,
    name_of_problem,
    still,
    subject_of,
    tone_of,
    weight,
    what_is_wrong,
    when,
)


def reply_of(watch: Watch, alert: Alert) -> Card:
    return REPLIES[alert.reason](watch, alert)


def cleared(watch: Watch, alert: Alert) -> str:
    after = f" after {write_duration(alert.at - alert.opened)}" if alert.opened else ""
    return f"{subject_of(watch)}: clear again{after}"


def _opened(watch: Watch, alert: Alert) -> Card:
    return Card(
        f"{subject_of(watch)}: {what_is_wrong(alert.new)}", tone_of(alert.new), lines=tuple(lines_of(watch, alert.new))
    )


def _grew(watch: Watch, alert: Alert) -> Card:
    lines = (*lines_of(watch, alert.new), *gone(alert.gone), *lost(alert.lost))
    return Card(f"{subject_of(watch)}: now also {what_is_wrong(alert.new)}", tone_of(alert.new), lines=lines)


def _noted(watch: Watch, alert: Alert) -> Card:
    names = list(dict.fromkeys(name_of_problem(problem) for problem in alert.new))
    changed = all(problem.sight.passing for problem in alert.new)
    what = f"{' and '.join(names)} changed" if changed else what_is_wrong(alert.new)
    return Card(f"{subject_of(watch)}: {what}", tone_of(alert.new), lines=tuple(lines_of(watch, alert.new)))


def _eased(watch: Watch, alert: Alert) -> Card:
    lines = (*gone(alert.gone), *lost(alert.lost), *still(alert.still), *lines_of(watch, alert.new))
    over = f"no longer {what_is_wrong(alert.gone)}" if alert.gone else "no longer followed on a list"
    title = "better" if alert.still else over
    return Card(f"{subject_of(watch)}: {title}", Tone.WARN if alert.still else Tone.GOOD, lines=lines)


def _resolved(watch: Watch, alert: Alert) -> Card:
    lines = (*gone(alert.gone), *lost(alert.lost), *still(alert.still))
    return Card(cleared(watch, alert), Tone.GOOD, lines=lines)


def _reminded(watch: Watch, alert: Alert) -> Card:
    since = f" after {write_duration(alert.at - alert.opened)}" if alert.opened else ""
    step = next((p.sight.step for p in sorted(alert.still, key=weight) if p.sight.step), "")
    title = f"{subject_of(watch)}: still {what_is_wrong(alert.still) or 'not right'}{since}"
    return Card(title, Tone.WARN, step, buttons=(Button("Acknowledge", f"ack {watch.id}", in_place=True),))


def _unstable(watch: Watch, alert: Alert) -> Card:
    said = "You hear of it again once it has stayed the same for 12 hours."
    names = ", ".join(dict.fromkeys(map(name_of_problem, alert.new)))
    return Card(
        f"{subject_of(watch)}: {names} comes and goes", Tone.WARN, lines=(*lines_of(watch, alert.new), Line(said))
    )


def _degraded(watch: Watch, alert: Alert) -> Card:
    said = "It was seen once, and every second look went unanswered, so nobody knows whether it is true."
    title = f"{subject_of(watch)}: perhaps {what_is_wrong(alert.new)}"
    return Card(title, Tone.UNSURE, lines=(*lines_of(watch, alert.new), Line(said, Tone.UNSURE)))


REPLIES: Mapping[Reason, Callable[[Watch, Alert], Card]] = {
    Reason.OPENED: _opened,
    Reason.GREW: _grew,
    Reason.NOTED: _noted,
    Reason.EASED: _eased,
    Reason.RESOLVED: _resolved,
    Reason.REMINDER: _reminded,
    Reason.UNSTABLE: _unstable,
    Reason.DEGRADED: _degraded,
}


MOST_CHECKED = 16  # addresses in one order
INVITE = "Add mailcheck to the channel again (in Slack: /invite @mailcheck), and its watches go on."


def root_card(watch: Watch, incident: Incident, alert: Alert) -> Card:
    """The message that stands for the alert's thread, as things are with this alert."""
    if alert.root and alert.opened is None:
        return reply_card(watch, alert)  # news that opens nothing, and stands alone
    if alert.reason is Reason.RESOLVED:
        return _over(watch, alert)
    return _standing(watch, incident, (*alert.new, *alert.still), (*gone(alert.gone), *lost(alert.lost)))


def standing_card(watch: Watch, incident: Incident) -> Card:
    """The same between two alerts, after someone took it in hand."""
    return _standing(watch, incident, tuple(p for p in incident.problems if p.told))


def reply_card(watch: Watch, alert: Alert) -> Card:
    """What this alert adds; it names what it is about, because a reply may be shown outside of its thread."""
    card = reply_of(watch, alert)
    alone = alert.root and alert.opened is None
    return replace(card, buttons=_check(watch, alert.new)) if alone else card


def silenced_card(watch: Watch, why: str) -> Card:
    """Told to the one who made the watch, where the room can no longer be."""
    return Card(
        f"The alerts about {subject_of(watch)} cannot be delivered: their channel is closed to mailcheck",
        Tone.WARN,
        step=INVITE,
        lines=(Line("Until then all watches of that channel rest; after 30 days they end."),),
        footnote=f"The platform says: {why}" if why else "",
    )


def _standing(watch: Watch, incident: Incident, problems: Sequence[Problem], aside: Iterable[Line] = ()) -> Card:
    """What was wrong before the incident, or is too small for one, is named and no more: it is not the news."""
    before = [problem for problem in problems if not problem.quiet] and [p for p in problems if p.quiet]
    ranked = sorted((problem for problem in problems if problem not in before), key=weight)
    step = next((p.sight.step for p in ranked if p.sight.step), "")
    opened = incident.opened or min((p.since for p in ranked), default=incident.began)
    hand = [Fact("Acknowledged", f"by {a.by}, {when(a.at)}")] if (a := incident.acknowledged) else []
    mute = [Fact("Muted", f"by {m.by}, until {when(m.until)}")] if (m := incident.muted) else []
    return Card(
        title=_title(watch, ranked, before),
        tone=Tone.UNSURE if incident.muted else Tone.WARN if incident.acknowledged else tone_of(ranked),
        step=step,
        lines=(*lines_of(watch, ranked, step), *aside, *known_before(before)),
        facts=(Fact("Since", when(opened)), *hand, *mute),
        table=by_address(ranked) if watch.several else None,
        buttons=(*_form(ranked), *_in_hand(watch, incident), *_check(watch, ranked)),
        footnote=_footnote(watch),
    )


def _over(watch: Watch, alert: Alert) -> Card:
    return Card(
        cleared(watch, alert),
        Tone.GOOD,
        lines=(*gone(alert.gone), *lost(alert.lost), *still(alert.still)),
        facts=(Fact("Since", when(alert.opened or alert.at)), Fact("Until", when(alert.at))),
        buttons=_check(watch, (*alert.gone, *alert.lost)),
        footnote=_footnote(watch),
    )


def _title(watch: Watch, problems: Sequence[Problem], before: Sequence[Problem]) -> str:
    subject = subject_of(watch)
    listed = [p.sight for p in (*problems, *before) if p.sight.check == BLOCKLIST]
    addresses = {sight.address for sight in listed if sight.address}
    if watch.several and watch.network and addresses:
        return f"{subject}: {len(addresses)} of {watch.network.num_addresses} addresses listed"
    return f"{subject}: {what_is_wrong(problems)}" if problems else f"{subject}: nothing is wrong any more"


def _in_hand(watch: Watch, incident: Incident) -> list[Button]:
    acknowledge = [] if incident.acknowledged else [Button("Acknowledge", f"ack {watch.id}")]
    mute = (
        Button("Unmute", f"unmute {watch.id}")
        if incident.muted
        else Button("Mute…", f"mute {watch.id}", choice=MUTE_FOR)
    )
    return [*acknowledge, mute]


def _form(problems: Sequence[Problem]) -> list[Button]:
    found = ((p, link) for p in problems for link in p.sight.links[:1])
    return [Button(f"{name_of_problem(p)}: {link.label.lower()}", url=link.url, primary=True) for p, link in found][:1]


def _check(watch: Watch, problems: Iterable[Problem]) -> tuple[Button, ...]:
    """Asks afresh about what had a problem; a check takes fewer addresses than a watch."""
    subject = watch.subject
    if watch.several and watch.network and watch.network.num_addresses > MOST_CHECKED:
        affected = list(dict.fromkeys(p.sight.address for p in problems if p.sight.address))[:MOST_CHECKED]
        subject = " ".join((*affected, watch.domain or ""))
    return (Button("Check again", f"check {subject.strip()} as {watch.role} fresh"),) if subject.strip() else ()


def _footnote(watch: Watch) -> str:
    return f"Watch {watch.id} · every {write_duration(watch.every)}"
