"""What an alert adds to its thread. Each names what it is about, because a reply may be shown outside of the thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.durations import write_duration
from bot.watching.model import Alert, Reason, Watch
from handlers.card import Button, Card, Line, Tone
from handlers.messages.problems import gone, lines_of, lost, still, tone_of, weight
from handlers.messages.subjects import name_of_problem, subject_of, what_is_wrong


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
