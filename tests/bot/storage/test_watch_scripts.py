"""Writing scripts, run once and twice: the same result and the same keys.

A client that lost a reply cannot know whether the command was lost too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript

ADD = [
    "op1",
    "slack/T1/C1",
    "slack/T1",
    "id1",
    "{watch}",
    "{incident}",
    "{begun}",
    "mta x",
    "100",
    "50",
    "500",
    "slack/T1 ip4 3600",
    "1",
]
REMOVE = ["op2", "slack/T1/C1", "slack/T1", "id1", "mta x", "60", "slack/T1 ip4 3600", "1"]
CHANGE = ["op3", "slack/T1/C1", "id1", "op1", "{changed}", "{history}", "mta x", "150"]
WATCH_CHANGE = ["op12", "slack/T1/C1", "id1", "{watch}", "{new}", "mta x", "mta x", "90"]
WATCH_CHANGE += ["slack/T1 ip4 900", "1", "slack/T1 ip4 3600", "-1"]
TARGET_CHANGE = ["op15", "slack/T1/C1", "id1", "{watch}", "{new}", "mta x", "client x", "95"]
CLAIM = ["mc1:looks", "200", "260", "500", "10", "900"]
POLL_RESULTS = [
    [
        "mta x",
        "260",
        "3800",
        "350",
        "",
        [["slack/T1/C1", "id1", "op1", "op4", "{seen}", "{history}", ["l1\n{letter}", "l2\n{letter}"]]],
    ]
]
APPLY = ["mc1:looks", "500", "201", json.dumps(POLL_RESULTS)]
SENDING = ["op5", "sending", "slack/T1/C1", "l1", "210", "0", "", "", "90"]
DELAYED = ["op13", "waits", "slack/T1/C1", "l1", "240", "0", "", "", "90"]
REVERTED = ["op6", "held", "slack/T1/C1", "l1", "240", "1", "", "", "90"]
SENT = ["op7", "sent", "slack/T1/C1", "l1", "", "0", "thread", "1.0", "90"]
DROPPED = ["op8", "dropped", "slack/T1/C1", "l1", "", "0", "", "", "90"]
AUDIT = ["op9", "slack/T1", "10000", "who", "U1", "what", "watch"]
TAKE = ["op10", "zen", "100", "7", "0.5", "60", "5"]
CHARGE = ["op14", "100", "slack/T1", "1", "0.98", "0.9", "0.9", "zen", "1000", "5", "dbl", "10", "50"]
POST = ["slack/T1/C1", "100", "700", "d1\n{digest}"]
SWAP = ["op11", "", "{lists}", "1000", "1", "{note}", "slack/T1/C1", "l9\n{letter}"]

Step = tuple[str, list[str]]
SETUP: Sequence[Step] = [("watch_add", ADD), ("poll_claim", CLAIM), ("poll_apply", APPLY)]
CASES: dict[str, tuple[Sequence[Step], Step]] = {
    "add": ((), ("watch_add", ADD)),
    "remove": (SETUP[:1], ("watch_remove", REMOVE)),
    "remove of one of two": (
        [*SETUP[:1], ("watch_add", [*ADD[:1], "slack/T1/C2", *ADD[2:]])],
        ("watch_remove", REMOVE),
    ),
    "remove with waiting messages": (SETUP, ("watch_remove", REMOVE)),
    "change": (SETUP[:1], ("watch_update", CHANGE)),
    "apply": (SETUP[:2], ("poll_apply", APPLY)),
    "apply without the lease": (SETUP[:1], ("poll_apply", APPLY)),
    "sending": (SETUP, ("outbox_step", SENDING)),
    "waits": ([*SETUP, ("outbox_step", SENDING)], ("outbox_step", DELAYED)),
    "held": ([*SETUP, ("outbox_step", SENDING)], ("outbox_step", REVERTED)),
    "sent": ([*SETUP, ("outbox_step", SENDING)], ("outbox_step", SENT)),
    "dropped": (SETUP, ("outbox_step", DROPPED)),
    "note": ((), ("audit_append", AUDIT)),
    "take": ((), ("bucket_take", TAKE)),
    "charge": ((), ("day_charge", CHARGE)),
    "swap": ((), ("quarantine_swap", SWAP)),
    "digest": ((), ("digest_enqueue", POST)),
    "change watch": (SETUP[:1], ("watch_change", WATCH_CHANGE)),
    "change the target of a watch": (SETUP, ("watch_change", TARGET_CHANGE)),
    "change of a watch that changed": (SETUP[:1], ("watch_change", [*WATCH_CHANGE[:3], "{other}", *WATCH_CHANGE[4:]])),
    "announce": ((), ("outbox_announce", ["slack/T1", "slack/T1/C1", "f1\n{follows}"])),
}
WITHOUT_CHANGE = ("apply without the lease", "change of a watch that changed")
# Run again, these report that nothing is left to do, and change nothing.
REPEATED_RESULTS = {"apply": ["late"], "sent": False, "dropped": False, "digest": False, "announce": False}


async def dump(redis: Redis) -> dict[str, Any]:
    """All keys and values of the server."""
    contents: dict[str, Any] = {}
    async for key in redis.scan_iter("*"):
        key_type = await redis.type(key)
        if key_type == "hash":
            contents[key] = await redis.hgetall(key)
        elif key_type == "zset":
            contents[key] = await redis.zrange(key, 0, -1, withscores=True)
        elif key_type == "list":
            contents[key] = await redis.lrange(key, 0, -1)
        elif key_type == "set":
            contents[key] = await redis.smembers(key)
        elif key_type == "stream":
            contents[key] = [fields for _, fields in await redis.xrange(key)]
        else:
            contents[key] = await redis.get(key)
    return contents


async def run(redis: Redis, step: Step) -> Any:
    name, arguments = step
    return await LuaScript(redis, f"{name}.lua")(*arguments)


@pytest.mark.parametrize("case", CASES)
async def test_script_is_idempotent(redis: Redis, case: str) -> None:
    before, step = CASES[case]
    if case == "digest":
        await redis.zadd("mc1:digests", {"slack/T1/C1": 100})
    for earlier in before:
        await run(redis, earlier)
    initial = await dump(redis)
    first = await run(redis, step)
    after_first = await dump(redis)
    assert (after_first == initial) is (case in WITHOUT_CHANGE)
    assert await run(redis, step) == REPEATED_RESULTS.get(case, first)
    assert await dump(redis) == after_first


async def test_poll_is_applied_atomically(redis: Redis) -> None:
    for step in SETUP:
        await run(redis, step)
    assert await dump(redis) == {
        "mc1:watches:slack/T1/C1": {"id1": "{watch}"},
        "mc1:incidents:slack/T1/C1": {"id1": "op4 {seen}"},
        "mc1:history:slack/T1/C1": {"id1": "{history}"},
        "mc1:outbox:slack/T1/C1": ["l1\n{letter}", "l2\n{letter}"],
        "mc1:waiting": [("slack/T1/C1", 0.0)],
        "mc1:looks": [("mta x", 3800.0)],
        "mc1:asks": [("mta x", 350.0)],
        "mc1:subject:mta x": {"id1 slack/T1/C1"},
        "mc1:rooms:slack/T1": {"slack/T1/C1": "1"},
        "mc1:wishes": {"slack/T1 ip4 3600": "1"},
    }


async def test_poll_of_changed_watch_is_rescheduled(redis: Redis) -> None:
    await run(redis, SETUP[0])
    await run(redis, SETUP[1])
    await run(redis, ("watch_update", CHANGE))
    assert await run(redis, SETUP[2]) == ["again"]
    contents = await dump(redis)
    assert contents["mc1:incidents:slack/T1/C1"] == {"id1": "op3 {changed}"}
    assert contents["mc1:looks"] == [("mta x", 201.0)]
    assert "mc1:outbox:slack/T1/C1" not in contents


async def test_removed_watch_stays_only_while_messages_wait(redis: Redis) -> None:
    await run(redis, SETUP[0])
    await run(redis, ("watch_remove", REMOVE))
    assert await redis.exists("mc1:removed:slack/T1/C1") == 0
    for step in SETUP:
        await run(redis, step)
    await run(redis, ("watch_remove", ["op12", *REMOVE[1:]]))
    assert await redis.hgetall("mc1:removed:slack/T1/C1") == {"id1": "{watch}"}
    assert 0 < await redis.ttl("mc1:removed:slack/T1/C1") <= 60


async def test_lost_claim_is_due_after_lease(redis: Redis) -> None:
    await run(redis, SETUP[0])
    watches = [["slack/T1/C1", "id1", "{watch}", "op1 {incident}", "{begun}"]]
    assert await run(redis, ("poll_claim", CLAIM)) == [["mta x", "260", watches]]
    assert await run(redis, ("poll_claim", CLAIM)) == []
    assert await run(redis, ("poll_claim", ["mc1:looks", "260", "320", "560", "10", "900"])) == [
        ["mta x", "320", watches]
    ]
    assert await run(redis, SETUP[2]) == ["late"]


async def test_range_is_claimed_alone(redis: Redis) -> None:
    for number, subject in enumerate(["mta 10.0.0.0/24", "mta a", "mta b", "mta 10.0.1.0/24", "mta c"]):
        await run(
            redis, ("watch_add", ["op", *ADD[1:3], f"id{number}", "{}", "{}", "", subject, str(number), "50", "500"])
        )
    claims = [await run(redis, ("poll_claim", CLAIM)) for _ in range(5)]
    assert [[(subject, lease) for subject, lease, _ in claimed] for claimed in claims] == [
        [("mta 10.0.0.0/24", "500")],
        [("mta a", "260"), ("mta b", "260")],
        [("mta 10.0.1.0/24", "500")],
        [("mta c", "260")],
        [],
    ]


async def test_only_watch_data_never_expires(redis: Redis) -> None:
    steps = [*SETUP, ("outbox_step", SENDING), ("outbox_step", SENT), ("audit_append", AUDIT), ("bucket_take", TAKE)]
    for step in steps:
        await run(redis, step)
    await run(redis, ("watch_remove", ["op12", *REMOVE[1:]]))
    permanent = {key async for key in redis.scan_iter("*") if await redis.ttl(key) < 0}
    assert permanent == {
        "mc1:outbox:slack/T1/C1",
        "mc1:waiting",
        "mc1:audit:slack/T1",
    }  # one message is still in the outbox
    assert {key async for key in redis.scan_iter("mc1:*")} - permanent


async def test_changed_watch_has_its_incident_and_moves_its_polls(redis: Redis) -> None:
    for step in SETUP:
        await run(redis, step)
    await run(redis, ("watch_change", TARGET_CHANGE))
    contents = await dump(redis)
    assert contents["mc1:watches:slack/T1/C1"] == {"id1": "{new}"}
    assert contents["mc1:incidents:slack/T1/C1"] == {"id1": "op15 {seen}"}
    assert contents["mc1:history:slack/T1/C1"] == {"id1": "{history}"}
    assert contents["mc1:looks"] == [("client x", 95.0)]
    assert contents["mc1:subject:client x"] == {"id1 slack/T1/C1"}
    assert not contents.keys() & {"mc1:subject:mta x", "mc1:asks"}


async def test_changed_interval_changes_the_demand(redis: Redis) -> None:
    await run(redis, SETUP[0])
    await run(redis, ("watch_change", WATCH_CHANGE))
    contents = await dump(redis)
    assert contents["mc1:wishes"] == {"slack/T1 ip4 900": "1"}
    assert contents["mc1:looks"] == [("mta x", 90.0)]


async def test_poll_of_a_watch_whose_target_changed_stores_nothing(redis: Redis) -> None:
    for step in SETUP[:2]:
        await run(redis, step)
    await run(redis, ("watch_change", TARGET_CHANGE))
    assert await run(redis, SETUP[2]) == ["late"]
    assert (await dump(redis))["mc1:incidents:slack/T1/C1"] == {"id1": "op15 {incident}"}
