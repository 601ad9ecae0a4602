"""Outbox messages of whole incidents, as the alert state machine creates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.inputs.durations import parse_duration
from bot.monitoring.alert_state import advance
from bot.monitoring.interfaces import AlertMessage
from bot.monitoring.models import Alert, AlertReason, Channel, Incident, Watch
from tests.support.incident_stories import T0, parse_observations
from tests.support.stored_watches import baseline

# Opened, grew, eased, resolved.
POLLS = (
    *(("1h", "a+"), ("61m30s", "a+"), ("2h", "a+ b+"), ("122m", "a+ b+"), ("3h", "a+ b-"), ("200m", "a+ b-")),
    *(("4h", "a+ b-"), ("5h", "a-"), ("320m", "a-"), ("6h", "a-")),
)
REASONS = (AlertReason.OPENED, AlertReason.GREW, AlertReason.EASED, AlertReason.RESOLVED)


@dataclass(frozen=True, slots=True)
class WatchedAlert:
    """An alert of a story with the watch and incident it comes from, which are stored apart from its message."""

    watch: Watch
    incident: Incident
    alert: Alert

    @property
    def id(self) -> str:
        return self.alert.key

    @property
    def channel(self) -> Channel:
        return self.watch.channel

    @property
    def message(self) -> AlertMessage:
        return AlertMessage(self.alert.key, self.watch.channel, self.alert)


def messages_of(watch: Watch, polls: Sequence[tuple[str, str]] = POLLS) -> list[WatchedAlert]:
    """Messages of polls, each given by its time since the first poll and its results."""
    incident = baseline(watch)
    messages: list[WatchedAlert] = []
    for when, results in polls:
        at = T0 + parse_duration(when)
        transition = advance(incident, parse_observations(results, at), at)
        incident = transition.incident
        messages += [WatchedAlert(watch, incident, alert) for alert in transition.alerts]
    return messages


def messages_of_incident(watch: Watch) -> list[WatchedAlert]:
    messages = messages_of(watch)
    assert tuple(message.alert.reason for message in messages) == REASONS
    return messages


def message_for(message: WatchedAlert, watch: Watch) -> WatchedAlert:
    """The same message for another watch, without replaying the incident."""
    old_id, new_id = message.watch.id, watch.id
    thread, key = (message.alert.thread_key.replace(old_id, new_id), message.alert.key.replace(old_id, new_id))
    alert = replace(message.alert, watch_id=new_id, thread_key=thread, key=key)
    return WatchedAlert(watch, replace(message.incident, watch_id=new_id), alert)


def final_incident(messages: Sequence[WatchedAlert]) -> Incident:
    return messages[-1].incident


def make_channels(number: int) -> list[Channel]:
    return [Channel("slack", "T0123ABCD", f"C{n:04}") for n in range(number)]


LATER = T0 + timedelta(hours=7)
