"""Alert messages: the root of a thread, which is edited to show the current state, and replies.

Replies name their target, because platforms may show them outside the thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.inputs.durations import format_duration
from bot.models import Link
from bot.monitoring.models import Alert, AlertReason, Incident, Problem, Watch
from bot.monitoring.observations import BLOCKLIST
from handlers.message import Button, Card, Fact, Line, Tone
from handlers.messages.formatting import MUTE_DURATIONS, removal_buttons, removal_links
from handlers.messages.problems import (
    address_table,
    cleared_lines,
    flapping_lines,
    flapping_summary,
    format_time,
    known_lines,
    names_with_addresses,
    problem_lines,
    problem_name,
    problem_sort_key,
    problems_summary,
    remaining_lines,
    sublist_change_text,
    sublist_changes,
    unverified_lines,
    watch_label,
    worst_tone,
)


def render_reply(watch: Watch, alert: Alert) -> Card:
    """The reply for an alert, by its reason."""
    return _changed_sublists(watch, alert) or REPLY_RENDERERS[alert.reason](watch, alert)


def resolved_title(watch: Watch, alert: Alert) -> str:
    """`clear` only where nothing is left; else what ended, and what did not."""
    if left := (*alert.remaining, *alert.new):
        return f"{watch_label(watch)}: {_ended(alert)}; still {problems_summary(left)}"
    after = f" after {format_duration(alert.at - alert.opened_at)}" if alert.opened_at else ""
    return f"{watch_label(watch)}: clear again{after}"


def _ended(alert: Alert) -> str:
    if alert.cleared:
        return f"{names_with_addresses(alert.cleared)} cleared"
    return f"{names_with_addresses(alert.unverified)} no longer checked"


def _changed_sublists(watch: Watch, alert: Alert) -> Card | None:
    """The card of an alert that is only about listings with another reason: `Spamhaus ZEN: PBL → XBL`."""
    changes = sublist_changes(alert.cleared, alert.new)
    if not changes or len(changes) < max(len(alert.cleared), len(alert.new)):
        return None
    title = "; ".join(dict.fromkeys(sublist_change_text(before, now) for before, now in changes))
    left = (*alert.new, *alert.remaining)
    lines = (*problem_lines(watch, alert.new), *unverified_lines(alert.unverified), *remaining_lines(alert.remaining))
    return Card(f"{watch_label(watch)}: {title}", worst_tone(left), lines=lines)


def _render_opened(watch: Watch, alert: Alert) -> Card:
    again = "" if alert.is_root else "again "
    return Card(
        f"{watch_label(watch)}: {again}{problems_summary(alert.new)}",
        worst_tone(alert.new),
        lines=tuple(problem_lines(watch, alert.new)),
    )


def _render_grew(watch: Watch, alert: Alert) -> Card:
    lines = (*problem_lines(watch, alert.new), *cleared_lines(alert.cleared), *unverified_lines(alert.unverified))
    return Card(f"{watch_label(watch)}: now also {problems_summary(alert.new)}", worst_tone(alert.new), lines=lines)


def _render_noted(watch: Watch, alert: Alert) -> Card:
    title = f"{watch_label(watch)}: {problems_summary(alert.new)}"
    step = next((p.last_observation.remediation for p in alert.new if p.last_observation.notify_once), "")
    return Card(title, worst_tone(alert.new), step, lines=tuple(problem_lines(watch, alert.new, step)))


def _render_eased(watch: Watch, alert: Alert) -> Card:
    lines = (
        *cleared_lines(alert.cleared),
        *unverified_lines(alert.unverified),
        *remaining_lines(alert.remaining),
        *problem_lines(watch, alert.new),
    )
    left = (*alert.remaining, *alert.new)
    title = f"{_ended(alert)}; still {problems_summary(left)}" if left else _ended(alert)
    return Card(f"{watch_label(watch)}: {title}", worst_tone(left) if left else Tone.GOOD, lines=lines)


def _render_resolved(watch: Watch, alert: Alert) -> Card:
    return Card(resolved_title(watch, alert), _resolved_tone(alert), lines=tuple(_resolved_lines(watch, alert)))


def _resolved_tone(alert: Alert) -> Tone:
    left = (*alert.remaining, *alert.new)
    return worst_tone(left) if left else Tone.GOOD


def _resolved_lines(watch: Watch, alert: Alert) -> Iterable[Line]:
    yield from cleared_lines(alert.cleared)
    yield from unverified_lines(alert.unverified)
    yield from remaining_lines(alert.remaining)
    yield from problem_lines(watch, alert.new)


def _render_reminder(watch: Watch, alert: Alert) -> Card:
    since = f" after {format_duration(alert.at - alert.opened_at)}" if alert.opened_at else ""
    step = next(
        (
            p.last_observation.remediation
            for p in sorted(alert.remaining, key=problem_sort_key)
            if p.last_observation.remediation
        ),
        "",
    )
    title = f"{watch_label(watch)}: still {problems_summary(alert.remaining) or 'not right'}{since}"
    return Card(title, Tone.WARN, step, buttons=(Button("Acknowledge", f"ack {watch.id}", in_place=True),))


def _render_unstable(watch: Watch, alert: Alert) -> Card:
    return Card(
        f"{watch_label(watch)}: {flapping_summary(alert.new)}",
        Tone.WARN,
        lines=(*problem_lines(watch, alert.new), *flapping_lines(alert.new)),
    )


def _render_stable(watch: Watch, alert: Alert) -> Card:
    title = f"{watch_label(watch)}: stable now: {problems_summary(alert.new)}"
    return Card(title, worst_tone(alert.new), lines=tuple(problem_lines(watch, alert.new)))


def _render_degraded(watch: Watch, alert: Alert) -> Card:
    note = "It was seen once, and no second check got an answer, so it is not confirmed."
    title = f"{watch_label(watch)}: not confirmed: {problems_summary(alert.new)}"
    return Card(title, Tone.UNSURE, lines=(*problem_lines(watch, alert.new), Line(note, Tone.UNSURE)))


REPLY_RENDERERS: Mapping[AlertReason, Callable[[Watch, Alert], Card]] = {
    AlertReason.OPENED: _render_opened,
    AlertReason.GREW: _render_grew,
    AlertReason.NOTED: _render_noted,
    AlertReason.EASED: _render_eased,
    AlertReason.RESOLVED: _render_resolved,
    AlertReason.REMINDER: _render_reminder,
    AlertReason.FLAPPING: _render_unstable,
    AlertReason.STABLE: _render_stable,
    AlertReason.DEGRADED: _render_degraded,
}


NOT_WATCHED = "It is not watched any more, so this message no longer follows it."
MAX_CHECKED = 16  # addresses per check
ARCHIVED = "is_archived"
CHANNEL_STATES: Mapping[str, str] = {  # by Slack's error code
    ARCHIVED: "their channel is archived",
    "not_in_channel": "it was removed from their channel",
    "channel_not_found": "their channel is private or was deleted",
    "restricted_action_read_only_channel": "only some people may post in their channel",
}
NOT_POSTED = "their channel refuses its messages"
UNARCHIVE_STEP = "Unarchive the channel and type any mailcheck command in it, or watch the target from another channel."
INVITE_STEP = "Add mailcheck to the channel again (in Slack: /invite @mailcheck) to resume its watches."


def root_card(watch: Watch, alert: Alert, current: Incident | None = None) -> Card:
    """The root message of a thread at the time of an alert.

    `current` is the same incident now, for acknowledgements and mutes made since.
    """
    if alert.is_root and alert.opened_at is None:
        return reply_card(watch, alert)  # a notice without an incident
    if alert.reason is AlertReason.RESOLVED:
        return _resolved_root_card(watch, alert)
    incident = Incident(
        watch.id,
        alert.watching_since,
        opened_at=alert.opened_at,
        acknowledged=current.acknowledged if current else None,
        muted=current.muted if current else None,
    )
    return _open_root_card(
        watch,
        incident,
        (*alert.new, *alert.remaining),
        (*cleared_lines(alert.cleared), *unverified_lines(alert.unverified)),
    )


def current_root_card(watch: Watch, incident: Incident) -> Card:
    """The root message between two alerts, after an acknowledgement or a mute."""
    return _open_root_card(watch, incident, tuple(p for p in incident.problems if p.notified))


def ended_root_card(watch: Watch, incident: Incident, actor: str) -> Card:
    """The root message of an open incident whose watch was removed: what was wrong then, and nothing to press."""
    card = current_root_card(watch, incident)
    title = f"{watch_label(watch)}: watch removed by {actor}"
    return replace(card, title=title, tone=Tone.PLAIN, step="", lines=(*card.lines, Line(NOT_WATCHED)), buttons=())


def reply_card(watch: Watch, alert: Alert) -> Card:
    """The reply for an alert; a notice without an incident also gets a Check again button."""
    card = render_reply(watch, alert)
    alone = alert.is_root and alert.opened_at is None
    check = _check_button(watch, alert.new) if alone else ()
    return replace(card, buttons=(*problem_buttons(alert.new), *card.buttons, *check))


def undeliverable_card(watch: Watch, reason: str) -> Card:
    """Direct message to the watch's creator when the channel can no longer be posted to."""
    return Card(
        f"mailcheck can no longer post alerts about {watch_label(watch)}: {CHANNEL_STATES.get(reason, NOT_POSTED)}",
        Tone.WARN,
        step=UNARCHIVE_STEP if reason == ARCHIVED else INVITE_STEP,
        lines=(Line("All watches of that channel are paused; they are removed after 30 days."),),
        footnote=f"The platform answered: {reason}" if reason and reason not in CHANNEL_STATES else "",
    )


def _open_root_card(
    watch: Watch, incident: Incident, problems: Sequence[Problem], extra_lines: Iterable[Line] = ()
) -> Card:
    """Root of an open incident. Known and minor problems are only named."""
    known_problems = [problem for problem in problems if not problem.informational] and [
        p for p in problems if p.informational
    ]
    ranked = sorted((problem for problem in problems if problem not in known_problems), key=problem_sort_key)
    step = next((p.last_observation.remediation for p in ranked if p.last_observation.remediation), "")
    opened = incident.opened_at or min((p.since for p in ranked), default=incident.started_at)
    acknowledged = [Fact("Acknowledged", f"by {a.actor}, {format_time(a.at)}")] if (a := incident.acknowledged) else []
    mute = [Fact("Muted", f"by {m.actor}, until {format_time(m.until)}")] if (m := incident.muted) else []
    return Card(
        title=_title(watch, ranked, known_problems),
        tone=Tone.UNSURE if incident.muted else Tone.WARN if incident.acknowledged else worst_tone(ranked),
        step=step,
        lines=(
            *problem_lines(watch, ranked, step),
            *removal_links(_removal_pages(ranked)),
            *flapping_lines(ranked),
            *extra_lines,
            *known_lines(known_problems),
        ),
        facts=(Fact("Since", format_time(opened)), *acknowledged, *mute),
        table=address_table(ranked) if watch.is_range else None,
        buttons=(*problem_buttons(ranked), *_incident_buttons(watch, incident), *_check_button(watch, ranked)),
        footnote=_footnote(watch),
    )


def _resolved_root_card(watch: Watch, alert: Alert) -> Card:
    return Card(
        resolved_title(watch, alert),
        _resolved_tone(alert),
        lines=tuple(_resolved_lines(watch, alert)),
        facts=(Fact("Since", format_time(alert.opened_at or alert.at)), Fact("Until", format_time(alert.at))),
        buttons=_check_button(watch, (*alert.cleared, *alert.unverified)),
        footnote=_footnote(watch),
    )


def _title(watch: Watch, problems: Sequence[Problem], known_problems: Sequence[Problem]) -> str:
    subject = watch_label(watch)
    listed = [p.last_observation for p in (*problems, *known_problems) if p.last_observation.check == BLOCKLIST]
    addresses = {observation.address for observation in listed if observation.address}
    if watch.is_range and watch.network and addresses:
        return f"{subject}: {len(addresses)} of {watch.network.num_addresses} addresses listed"
    if problems and all(problem.flapping for problem in problems):
        return f"{subject}: {flapping_summary(problems)}"
    return f"{subject}: {problems_summary(problems)}" if problems else f"{subject}: no problems left"


def _incident_buttons(watch: Watch, incident: Incident) -> list[Button]:
    acknowledge = [] if incident.acknowledged else [Button("Acknowledge", f"ack {watch.id}")]
    mute = (
        Button("Unmute", f"unmute {watch.id}")
        if incident.muted
        else Button("Mute…", f"mute {watch.id}", select=MUTE_DURATIONS)
    )
    return [*acknowledge, mute]


def problem_buttons(problems: Iterable[Problem]) -> tuple[Button, ...]:
    """Links to the removal pages of the worst lists."""
    return removal_buttons(_removal_pages(problems))


def _removal_pages(problems: Iterable[Problem]) -> list[tuple[str, Link]]:
    """The names of the lists with their removal pages, worst first."""
    ranked = sorted(problems, key=problem_sort_key)
    return [(problem_name(p), link) for p in ranked for link in p.last_observation.links[:1]]


def _check_button(watch: Watch, problems: Iterable[Problem]) -> tuple[Button, ...]:
    """Check the target again; of a large range only the affected addresses."""
    subject = watch.subject
    if watch.is_range and watch.network and watch.network.num_addresses > MAX_CHECKED:
        affected = list(dict.fromkeys(p.last_observation.address for p in problems if p.last_observation.address))[
            :MAX_CHECKED
        ]
        subject = " ".join((*affected, watch.domain or ""))
    return (Button("Check again", f"check {subject.strip()} as {watch.role} fresh"),) if subject.strip() else ()


def _footnote(watch: Watch) -> str:
    return f"Watch {watch.id} · every {format_duration(watch.interval)}"
