"""Watch commands: add, list, mute, acknowledge and remove the watches of a channel.

The channel always comes from the request, never from the text, so that a command cannot reach the
watches of another channel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.inputs.domain_names import quoted
from bot.inputs.durations import format_duration
from bot.models import Lookup, Report
from bot.monitoring.alert_state import acknowledge, initial_incident, mute, unmute
from bot.monitoring.following import followed
from bot.monitoring.interfaces import MAX_WATCHES_PER_CHANNEL, Outbox, StoredWatch, TooManyWatches, WatchRepository
from bot.monitoring.list_counts import counts_by_list
from bot.monitoring.models import MAX_ADDRESSES, Channel, Follow, Incident, Watch
from bot.monitoring.poll import observe_reports
from bot.monitoring.schedule import first_due
from bot.monitoring.sender_discovery import discover_senders
from handlers.commands.watch_parser import (
    TOO_MANY_ADDRESSES,
    EditOptions,
    HistoryOptions,
    MuteOptions,
    WatchName,
    WatchOptions,
    WatchTarget,
    history_start,
    settings_words,
    validate_requested,
    validate_watch,
    with_setting,
)
from handlers.message import Card
from handlers.messages import watches as cards
from handlers.messages.alerts import current_root_card, ended_root_card
from handlers.messages.history import history_card
from handlers.messages.problems import watch_label
from handlers.messages.watches import AddedWatch
from handlers.ports import (
    ChannelUnavailable,
    ChatRequest,
    DeliveryUnknown,
    MessageNotFound,
    MessagePoster,
    Rejected,
    RetryAfter,
    WorkspaceUnavailable,
)
from handlers.sanitize import sanitize
from handlers.verbs import BadCommand

MAX_UPDATE_ATTEMPTS = 5  # of an update that conflicts with concurrent ones
PLACES = {"web": "on the page of this bot", "slack": "in Slack", "teams": "in Teams"}
NO_CHANNEL = "There is no channel here to alert; watches work {places}."
# Any member may turn the setting off, so that watches of people who left can be removed.
CREATOR_ONLY = (
    "In this channel only the creator of a watch may end, mute or edit it; `settings restrict off` "
    "ends that rule, and the channel sees who did it."
)
WATCHED_IN_ROLE = "{subject} is watched as {role} already (id {id}); end one of the two with `unwatch`."
EDITED_ROLE = "{subject} is watched as {role} now; `edit {id} as {requested}` changes that."
UPDATE_CONFLICT = "That watch is being changed right now; please try again in a moment."
POST_ERRORS = (RetryAfter, DeliveryUnknown, ChannelUnavailable, WorkspaceUnavailable, Rejected, MessageNotFound)

FirstPoll = Callable[[Watch], Awaitable[Sequence[Report]]]

log = structlog.get_logger()


class SeveralWatches(Exception):
    """What was typed names more than one watch."""

    def __init__(self, name: str, found: Sequence[StoredWatch]) -> None:
        super().__init__(name)
        self.name, self.found = name, found


async def _requested_interval(watch: Watch) -> timedelta:
    return watch.interval


@dataclass(frozen=True, slots=True)
class WatchCommands:
    """Handlers of the watch commands.

    `first_poll` polls a new watch; `granted_interval` is the interval that the list budgets allow;
    `default_interval` applies to watches without `every`.
    """

    watches: WatchRepository
    outbox: Outbox
    first_poll: FirstPoll
    lookup: Lookup
    posters: Mapping[str, MessagePoster]
    clock: Callable[[], datetime]
    default_interval: timedelta = timedelta(hours=1)
    allow_special: bool = False
    effective_interval: Callable[[Watch], Awaitable[timedelta]] = field(default=_requested_interval)

    def alerts_in(self, channel: Channel) -> bool:
        """Whether alerts can be posted there; not at the prompt."""
        return channel.platform in self.posters

    def no_channel(self) -> BadCommand:
        places = " and ".join(place for platform, place in PLACES.items() if platform in self.posters)
        return BadCommand(NO_CHANNEL.format(places=places or "in Slack and in Teams"))

    def acknowledge_watch(self, options: WatchOptions) -> Card:
        """The acknowledgement of `watch`; pure. Raises PARSE_ERRORS for what may not be watched."""
        validate_watch(options, self.default_interval, self.allow_special)
        return cards.first_poll_card(len(options.targets), str(options.targets[0]))

    async def watch(self, request: ChatRequest, options: WatchOptions) -> Card:
        """Add watches. The first poll sets their baseline, so only changes raise alerts later."""
        now = self.clock()
        targets, notes = await self._find_targets(options)
        watches = [
            _new_watch(request, options, target, options.interval or self.default_interval, now) for target in targets
        ]
        existing = [stored.watch for stored in await self.watches.list_watches(request.channel)]
        watches = [_as_stored(watch, existing) for watch in watches]
        existing_ids = {watch.id for watch in existing}
        if len(existing_ids | {watch.id for watch in watches}) > MAX_WATCHES_PER_CHANNEL:
            raise BadCommand(
                f"A channel has {MAX_WATCHES_PER_CHANNEL} watches at most; end some first, `watches` shows them."
            )
        if options.follow is not None:
            await self._change_follows(request, [watch for watch in watches if watch.id in existing_ids])
        try:
            added = [await self._add(request, watch) for watch in watches]
        except TooManyWatches as error:
            raise BadCommand(str(error)) from None
        return await self._confirm(request, added, _added_card(request, added, notes))

    async def _change_follows(self, request: ChatRequest, watches: Sequence[Watch]) -> None:
        """Change what watches follow that the channel has already."""
        for watch in watches:
            stored = await self._find_allowed(request, WatchName(watch.id, watch.id))
            if stored.watch.follow is not watch.follow and await self.watches.change(
                stored.watch, replace(stored.watch, follow=watch.follow)
            ):
                old, new = (f"{watch.subject} only {follow}" for follow in (stored.watch.follow, watch.follow))
                await self.watches.audit(request.channel, request.user, "watch", old, new)

    async def unwatch(self, request: ChatRequest, name: WatchName) -> Card:
        stored = await self._find_allowed(request, name)
        await self.watches.remove(request.channel, stored.watch.id)
        await self.watches.audit(request.channel, request.user, "unwatch", old=stored.watch.subject)
        await self._edit_root(
            stored.watch, stored.incident, ended_root_card(stored.watch, stored.incident, _display_name(request))
        )
        return cards.removed_card(stored.watch, _display_name(request))

    async def list_watches(self, request: ChatRequest, _arguments: None) -> Card:
        return cards.watches_card(await self.watches.list_watches(request.channel))

    async def history(self, request: ChatRequest, options: HistoryOptions) -> Card:
        stored, now = await self._find(request.channel, options.watch), self.clock()
        history = await self.watches.history(request.channel, stored.watch.id)
        return history_card(stored.watch, history, history_start(stored.watch, history, options.lookback, now), now)

    async def edit(self, request: ChatRequest, options: EditOptions) -> Card:
        """Change a watch; its history, its incident and its id stay."""
        stored = await self._find_allowed(request, options.watch)
        watch, changed = stored.watch, options.apply(stored.watch)
        if options.interval:
            validate_requested(options.interval, self.default_interval)
        if changed == watch:
            raise BadCommand(f"{watch_label(watch)} is like that already; nothing was changed.")
        others = await self.watches.list_watches(request.channel)
        if twin := next((other.watch for other in others if _is_twin(other.watch, changed)), None):
            raise BadCommand(WATCHED_IN_ROLE.format(subject=twin.subject, role=twin.role, id=twin.id))
        if not await self.watches.change(watch, changed):
            raise BadCommand(UPDATE_CONFLICT)
        old, new = map(cards.watch_command, (watch, changed))
        await self.watches.audit(request.channel, request.user, "edit", old, new)
        await self._edit_root(changed, stored.incident, current_root_card(changed, stored.incident))
        return cards.edited_card(watch, changed, await self.effective_interval(changed), _display_name(request))

    async def mute(self, request: ChatRequest, options: MuteOptions) -> Card:
        stored, duration = await self._find_allowed(request, options.watch), options.duration
        if duration is None:
            return cards.mute_duration_card(stored.watch)
        until = self.clock() + duration
        stored = await self._update_incident(stored, lambda incident: mute(incident, _display_name(request), until))
        await self.watches.audit(request.channel, request.user, "mute", stored.watch.subject, format_duration(duration))
        assert stored.incident.muted
        return cards.muted_card(stored.watch, stored.incident.muted)

    async def unmute(self, request: ChatRequest, name: WatchName) -> Card:
        stored = await self._update_incident(await self._find_allowed(request, name), unmute)
        await self.watches.audit(request.channel, request.user, "unmute", stored.watch.subject)
        return cards.unmuted_card(stored.watch, _display_name(request))

    async def acknowledge(self, request: ChatRequest, name: WatchName) -> Card:
        stored = await self._find(request.channel, name)
        if stored.incident.opened_at is None and not any(p.known_from_start for p in stored.incident.problems):
            raise BadCommand(f"Nothing is open for {stored.watch.subject}, so there is nothing to acknowledge.")
        if acknowledged := stored.incident.acknowledged:
            raise BadCommand(f"{stored.watch.subject} was acknowledged by {acknowledged.actor} already.")
        stored = await self._update_incident(
            stored, lambda incident: acknowledge(incident, _display_name(request), self.clock())
        )
        await self.watches.audit(request.channel, request.user, "ack", stored.watch.subject)
        return cards.acknowledged_card(stored.watch, _display_name(request))

    async def settings(self, request: ChatRequest, setting: str) -> Card:
        current = await self.watches.settings(request.channel)
        updated = with_setting(setting, current)
        if updated == current:
            return cards.settings_card(current)
        await self.watches.set_settings(request.channel, updated)
        old, new = map(settings_words, (current, updated))
        await self.watches.audit(request.channel, request.user, "settings", old, new)
        return cards.settings_card(updated, _display_name(request))

    async def on_channel_joined(self, channel: Channel) -> Card | None:
        """Resume the watches of a channel that the bot can post to again."""
        if not await self.watches.resume_channel(channel):
            return None
        await self.watches.audit(channel, "mailcheck", "resume")
        return cards.resumed_card()

    async def _find_targets(self, options: WatchOptions) -> tuple[Sequence[WatchTarget], Sequence[str]]:
        """The targets, and a sentence for each one that is left out."""
        if not options.discover_addresses:
            return options.targets, ()
        targets: list[WatchTarget] = []
        notes: list[str] = []
        for domain in (target.domain for target in options.targets if target.domain):
            addresses = await discover_senders(domain, self.lookup)
            targets += [WatchTarget(network, domain) for network in addresses.networks]
            notes += [f"{network} holds too many addresses and is not watched." for network in addresses.too_large]
            notes += [
                f"DNS did not answer about {unanswered}, so there may be more addresses."
                for unanswered in addresses.unresolved
            ]
        if not targets:
            raise BadCommand(
                " ".join(["No address to watch was found there: neither MX nor ip4: or ip6: in SPF.", *notes])
            )
        if sum(target.network.num_addresses for target in targets if target.network) > MAX_ADDRESSES:
            raise BadCommand(TOO_MANY_ADDRESSES)
        return targets, notes

    async def _add(self, request: ChatRequest, watch: Watch) -> AddedWatch:
        of_channel = (await self.watches.settings(request.channel)).follow
        reports = await self.first_poll(replace(watch, follow=followed(watch, of_channel)))
        now = self.clock()
        incident = initial_incident(watch.id, observe_reports(reports, Incident(watch.id, now), watch), now)
        due = first_due(f"{watch.role} {watch.subject}", watch.interval, now)
        is_new = await self.watches.add(watch, incident, due, reports)
        if is_new:
            await self.watches.audit(
                request.channel, request.user, "watch", new=f"{watch.subject} every {format_duration(watch.interval)}"
            )
        report = reports[0] if len(reports) == 1 else None
        return AddedWatch(
            watch,
            incident,
            await self.effective_interval(watch),
            is_new,
            report,
            counts_by_list(reports),
            frozenset(finding.check for each in reports for finding in each.findings),
        )

    async def _confirm(self, request: ChatRequest, added: Sequence[AddedWatch], card: Card) -> Card:
        """Post the confirmation to the channel, or replace the card of the button.

        If the channel is unavailable, alerts could not be posted either: the watches are removed.
        """
        poster = self.posters[request.channel.platform]
        try:
            if request.replaces:
                await poster.update(request.channel, request.replaces, card)
                return card
            await poster.post(request.channel, card)
        except (ChannelUnavailable, WorkspaceUnavailable):
            for item in added:
                if item.is_new:
                    await self.watches.remove(request.channel, item.watch.id)
                    await self.watches.audit(
                        request.channel, "mailcheck", "unwatch", old=item.watch.subject, new="not in channel"
                    )
            return cards.not_in_channel_card()
        except (RetryAfter, DeliveryUnknown, Rejected, MessageNotFound) as error:
            log.info("watch confirmed to creator only", channel=request.channel.id, error=str(error))
            return replace(card, private=True)
        return cards.posted_in_channel_card(len(added))

    async def _find(self, channel: Channel, name: WatchName) -> StoredWatch:
        """Raises SeveralWatches where the name fits more than one."""
        found = await self.watches.find(channel, name.text) or await self.watches.find(channel, name.target)
        if not found:
            raise BadCommand(f"{quoted(name.text)} is not watched in this channel; `watches` shows what is.")
        if len(found) > 1:
            raise SeveralWatches(name.text, found)
        return found[0]

    async def _find_allowed(self, request: ChatRequest, name: WatchName) -> StoredWatch:
        stored = await self._find(request.channel, name)
        if stored.watch.created_by != request.user and (await self.watches.settings(request.channel)).creator_only:
            raise BadCommand(CREATOR_ONLY)
        return stored

    async def _update_incident(self, stored: StoredWatch, transition: Callable[[Incident], Incident]) -> StoredWatch:
        """Apply a transition to the incident, retrying on conflicts, and update the alert."""
        channel, watch = stored.watch.channel, stored.watch
        for _ in range(MAX_UPDATE_ATTEMPTS):
            incident = transition(stored.incident)
            if incident == stored.incident or await self.watches.update_incident(
                channel, watch.id, incident, stored.incident
            ):
                await self._edit_root(watch, incident, current_root_card(watch, incident))
                return replace(stored, incident=incident)
            stored = await self._find(channel, WatchName(watch.id, watch.id))
        raise BadCommand(UPDATE_CONFLICT)

    async def _edit_root(self, watch: Watch, incident: Incident, card: Card) -> None:
        poster = self.posters.get(watch.channel.platform)
        message = await self.outbox.root_message_id(watch.channel, incident.thread_key) if incident.opened_at else None
        if poster and message:
            try:
                await poster.update(watch.channel, message, card)
            except POST_ERRORS as error:  # the next event edits it again
                log.info("root message not edited", channel=watch.channel.id, error=str(error))


def _is_twin(watch: Watch, other: Watch) -> bool:
    """Whether two watches follow the same subject in the same role."""
    return watch.id != other.id and (watch.subject, watch.role) == (other.subject, other.role)


def _as_stored(watch: Watch, existing: Sequence[Watch]) -> Watch:
    """A new watch with the id of the one that follows the same already, whatever role that began with.

    Raises BadCommand where its id is that of a watch in another role since.
    """
    if twin := next((other for other in existing if _is_twin(other, watch)), None):
        return replace(watch, first_role=twin.first_role)
    if edited := next((other for other in existing if other.id == watch.id and other.role is not watch.role), None):
        raise BadCommand(
            EDITED_ROLE.format(subject=edited.subject, role=edited.role, id=edited.id, requested=watch.role)
        )
    return watch


def _added_card(request: ChatRequest, added: Sequence[AddedWatch], notes: Sequence[str]) -> Card:
    """The confirmation; a report whose Watch button was used stays in place."""
    first = added[0]
    if request.replaces and len(added) == 1 and first.report:
        return cards.report_watched_card(first.report, first)
    return cards.added_card(added, notes)


def _new_watch(
    request: ChatRequest, options: WatchOptions, target: WatchTarget, every: timedelta, now: datetime
) -> Watch:
    return Watch(
        request.channel,
        target.network,
        target.domain,
        options.role,
        every,
        request.user,
        now,
        options.name,
        options.follow or Follow.ALL,
    )


def _display_name(request: ChatRequest) -> str:
    """The user's name as plain text, which mentions nobody."""
    return sanitize(request.name or request.user, 40)
