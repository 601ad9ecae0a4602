"""What a watch follows, by its own command or by its channel: what it does not follow is neither asked nor told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.checks.registry import CHECKS
from bot.models import CheckRequest, Finding, Report, Verdict
from bot.monitoring.alert_state import advance, initial_incident
from bot.monitoring.channel_follows import read_follows
from bot.monitoring.following import followed, restricted, unfollowed_checks
from bot.monitoring.interfaces import AlertMessage, ChannelSettings
from bot.monitoring.models import Channel, Follow, Incident, Watch
from bot.monitoring.poll import observe_reports, run_first_poll
from bot.monitoring.poller import Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from tests.support.incident_stories import T0, describe_alert, parse_observations
from tests.support.reports import listing
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, watch

ALL, LISTS, SETUP = Follow.ALL, Follow.LISTS, Follow.SETUP
DOMAIN = "example.com"
WATCHED = {spec.id for spec in CHECKS if spec.watched}


@pytest.mark.parametrize(
    ("of_watch", "of_channel", "follow"),
    [(ALL, ALL, ALL), (ALL, LISTS, LISTS), (LISTS, ALL, LISTS), (LISTS, SETUP, LISTS), (SETUP, LISTS, SETUP)],
)
def test_watch_follows_its_own_choice_else_that_of_its_channel(
    of_watch: Follow, of_channel: Follow, follow: Follow
) -> None:
    assert followed(replace(watch(), follow=of_watch), of_channel) is follow


@pytest.mark.parametrize(
    ("follows", "left_out"),
    [
        ([], set()),
        ([ALL], set()),
        ([LISTS], WATCHED - {"blocklist"}),
        ([SETUP], {"blocklist"}),
        ([LISTS, SETUP], set()),
        ([LISTS, LISTS, ALL], set()),
    ],
)
def test_check_is_left_out_that_no_watch_of_a_target_follows(follows: list[Follow], left_out: set[str]) -> None:
    assert unfollowed_checks(follows) == left_out


def test_what_is_no_longer_followed_ends_in_silence_and_selectors_stay() -> None:
    config = {"selectors": "s1", "checks": "spf", "spf": "#1"}
    incident = replace(initial_incident("w1", parse_observations("a+", T0), T0), config=config, opened_at=T0)
    assert restricted(incident, ALL) is incident
    assert restricted(incident, SETUP) == replace(
        incident, problems=(), opened_at=None, config=config | {"lists": "yes"}
    )
    lists = restricted(incident, LISTS)
    assert (lists.config, lists.problems) == ({"selectors": "s1"}, incident.problems)
    assert restricted(lists, LISTS) is lists


@pytest.mark.parametrize(("polled", "notified"), [("a+ b-", []), ("a? b-", ["opened +a"]), ("a- b-", ["opened +a"])])
def test_list_followed_again_only_records_what_it_holds_at_the_first_poll(polled: str, notified: list[str]) -> None:
    incident = restricted(initial_incident("w1", parse_observations("a-", T0), T0), SETUP)
    sent = []
    for hours, results in enumerate(("", polled, *["a+ b-"] * 3), 1):  # nothing is polled while it is not followed
        for seconds in (0, 90):
            now = T0 + timedelta(hours=hours, seconds=seconds)
            transition = advance(incident, parse_observations(results, now), now)
            incident, sent = transition.incident, [*sent, *map(describe_alert, transition.alerts)]
    assert sent[:1] == notified


class Runner:
    """A listing and a broken SPF record; counts the checks that ran."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.broken, self.ran = clock, False, set[str]()

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        verdict, state = (Verdict.FAIL, "listed") if self.broken else (Verdict.PASS, "not_listed")
        findings = {
            "blocklist": listing("SpamCop", verdict, state),
            "spf": Finding("spf", DOMAIN, verdict, f"spf.{verdict}", "It is so."),
        }
        found = {check: finding for check, finding in findings.items() if check not in request.left_out}
        self.ran |= set(found)
        return Report(request, self.clock(), tuple(found.values()), 1, int(fresh))


@dataclass
class Polled:
    redis: Redis
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.repository = RedisRepository(self.redis, self.clock)
        self.runner = Runner(self.clock)
        self.poller = Poller(self.repository, self.runner, self.clock, PollerConfig())

    async def add(self, watched: Watch) -> None:
        reports = await run_first_poll(watched, self.runner)
        now = self.clock()
        incident = initial_incident(watched.id, observe_reports(reports, Incident(watched.id, now), watched), now)
        assert await self.repository.add(watched, incident, now, reports)

    async def poll_for(self, hours: int) -> None:
        for _ in range(hours * 4):
            self.clock.add(900)
            for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
                while await self.poller.run_round(schedule):
                    pass

    async def notified_checks(self, channel: Channel) -> list[str]:
        """Checks of the problems in the first alert of a channel."""
        message = await self.repository.peek(channel)
        assert message is None or isinstance(message, AlertMessage)
        return sorted({p.last_observation.check for p in message.alert.new}) if message else []


@pytest.mark.parametrize(("follow", "checks"), [(ALL, ["blocklist", "spf"]), (LISTS, ["blocklist"]), (SETUP, ["spf"])])
@pytest.mark.parametrize("by_channel", [True, False], ids=["channel", "watch"])
async def test_channel_is_notified_of_what_it_follows(
    redis: Redis, follow: Follow, checks: list[str], by_channel: bool
) -> None:
    polled = Polled(redis)
    if by_channel:
        await polled.repository.set_settings(CHANNEL, ChannelSettings(follow=follow))
    await polled.add(replace(watch("203.0.113.5/32", DOMAIN), follow=ALL if by_channel else follow))
    polled.runner.ran.clear()
    polled.runner.broken = True
    await polled.poll_for(2)
    assert await polled.notified_checks(CHANNEL) == checks
    assert polled.runner.ran == set(checks)


async def test_channels_of_one_target_are_notified_of_what_each_follows(redis: Redis) -> None:
    polled = Polled(redis)
    await polled.repository.set_settings(CHANNEL, ChannelSettings(follow=LISTS))
    for channel in (CHANNEL, OTHER_CHANNEL):
        await polled.add(watch("203.0.113.5/32", DOMAIN, channel))
    polled.runner.broken = True
    await polled.poll_for(2)
    assert await polled.notified_checks(CHANNEL) == ["blocklist"]
    assert await polled.notified_checks(OTHER_CHANNEL) == ["blocklist", "spf"]
    (stored,) = await polled.repository.list_watches(CHANNEL)
    assert {problem.last_observation.check for problem in stored.incident.problems} == {"blocklist"}
    assert stored.incident.config == {}


async def test_check_that_is_followed_again_records_what_is_wrong(redis: Redis) -> None:
    polled = Polled(redis)
    await polled.add(watch(None, DOMAIN))
    await polled.repository.set_settings(CHANNEL, ChannelSettings(follow=LISTS))
    await polled.poll_for(2)
    polled.runner.broken = True
    await polled.poll_for(2)
    await polled.repository.set_settings(CHANNEL, ChannelSettings())
    await polled.poll_for(3)
    assert await polled.notified_checks(CHANNEL) == ["blocklist"]
    stored = (await polled.repository.list_watches(CHANNEL))[0]
    assert {p.last_observation.check: p.informational for p in stored.incident.problems} == {
        "blocklist": False,
        "spf": True,
    }


async def test_stored_watch_is_changed_and_a_removed_one_is_not(redis: Redis) -> None:
    polled, watched = Polled(redis), watch(None, DOMAIN)
    await polled.add(watched)
    assert await polled.repository.change(watched, replace(watched, follow=LISTS))
    (stored,) = await polled.repository.list_watches(CHANNEL)
    assert stored.watch == replace(watched, follow=LISTS)
    await polled.repository.remove(CHANNEL, watched.id)
    assert not await polled.repository.change(watched, replace(watched, follow=SETUP))
    assert await polled.repository.list_watches(CHANNEL) == []


async def test_settings_that_cannot_be_read_follow_everything(redis: Redis) -> None:
    repository = RedisRepository(redis, Clock())
    await redis.hset("mc1:settings:slack/T0123ABCD", str(CHANNEL), '{"follow": "nothing"}')
    await repository.set_settings(OTHER_CHANNEL, ChannelSettings(follow=LISTS))
    channels = (CHANNEL, OTHER_CHANNEL)
    assert await read_follows(repository.channels, repository.unreadable, channels) == {OTHER_CHANNEL: LISTS}
    assert await read_follows(repository.channels, repository.unreadable, []) == {}
