"""Every script that writes, sent once and sent twice: the same answer, and the same keys behind it.

A client that lost a reply cannot know whether the command was lost too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.storage.lua_script import Script

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
REMOVE = ["op2", "slack/T1/C1", "slack/T1", "id1", "mta x", "slack/T1 ip4 3600", "1"]
CHANGE = ["op3", "slack/T1/C1", "id1", "op1", "{changed}", "{history}", "mta x", "150"]
CLAIM = ["mc1:looks", "200", "260", "500", "10", "900"]
LOOKED = [
    [
        "mta x",
        "260",
        "3800",
        "350",
        "",
        [["slack/T1/C1", "id1", "op1", "op4", "{seen}", "{history}", ["l1\n{letter}", "l2\n{letter}"]]],
    ]
]
APPLY = ["mc1:looks", "500", "201", json.dumps(LOOKED)]
SENDING = ["op5", "sending", "slack/T1/C1", "l1", "210", "0", "", "", "90"]
WAITS = ["op13", "waits", "slack/T1/C1", "l1", "240", "0", "", "", "90"]
HELD = ["op6", "held", "slack/T1/C1", "l1", "240", "1", "", "", "90"]
SENT = ["op7", "sent", "slack/T1/C1", "l1", "", "0", "thread", "1.0", "90"]
DROPPED = ["op8", "dropped", "slack/T1/C1", "l1", "", "0", "", "", "90"]
NOTE = ["op9", "slack/T1", "10000", "who", "U1", "what", "watch"]
TAKE = ["op10", "zen", "100", "7", "0.5", "60"]
POST = ["slack/T1/C1", "100", "700", "d1\n{digest}"]
SWAP = ["op11", "", "{lists}", "1000", "1", "{note}", "slack/T1/C1", "l9\n{letter}"]

Step = tuple[str, list[str]]
BEFORE: Sequence[Step] = [("watch_add", ADD), ("looks_claim", CLAIM), ("looks_apply", APPLY)]
CASES: dict[str, tuple[Sequence[Step], Step]] = {
    "add": ((), ("watch_add", ADD)),
    "remove": (BEFORE[:1], ("watch_remove", REMOVE)),
    "remove of one of two": (
        [*BEFORE[:1], ("watch_add", [*ADD[:1], "slack/T1/C2", *ADD[2:]])],
        ("watch_remove", REMOVE),
    ),
    "change": (BEFORE[:1], ("watch_change", CHANGE)),
    "apply": (BEFORE[:2], ("looks_apply", APPLY)),
    "apply without the lease": (BEFORE[:1], ("looks_apply", APPLY)),
    "sending": (BEFORE, ("outbox_step", SENDING)),
    "waits": ([*BEFORE, ("outbox_step", SENDING)], ("outbox_step", WAITS)),
    "held": ([*BEFORE, ("outbox_step", SENDING)], ("outbox_step", HELD)),
    "sent": ([*BEFORE, ("outbox_step", SENDING)], ("outbox_step", SENT)),
    "dropped": (BEFORE, ("outbox_step", DROPPED)),
    "note": ((), ("room_note", NOTE)),
    "take": ((), ("bucket_take", TAKE)),
    "swap": ((), ("lists_swap", SWAP)),
    "digest": ((), ("digest_post", POST)),
}
# The second time these say that there is nothing left to do, which is true and changes nothing.
SAYS_LATE = {"apply": ["late"], "sent": False, "dropped": False, "digest": False}


async def everything(redis: Redis) -> dict[str, Any]:
    """All that the server holds."""
    held: dict[str, Any] = {}
    async for key in redis.scan_iter("*"):
        kind = await redis.type(key)
        if kind == "hash":
            held[key] = await redis.hgetall(key)
        elif kind == "zset":
            held[key] = await redis.zrange(key, 0, -1, withscores=True)
        elif kind == "list":
            held[key] = await redis.lrange(key, 0, -1)
        elif kind == "set":
            held[key] = await redis.smembers(key)
        elif kind == "stream":
            held[key] = [fields for _, fields in await redis.xrange(key)]
        else:
            held[key] = await redis.get(key)
    return held


async def run(redis: Redis, step: Step) -> Any:
    name, words = step
    return await Script(redis, f"{name}.lua")(*words)


@pytest.mark.parametrize("case", CASES)
async def test_a_script_that_is_sent_twice_has_one_effect(redis: Redis, case: str) -> None:
    before, step = CASES[case]
    if case == "digest":
        await redis.zadd("mc1:digests", {"slack/T1/C1": 100})
    for earlier in before:
        await run(redis, earlier)
    nothing = await everything(redis)
    first = await run(redis, step)
    once = await everything(redis)
    assert once != nothing or case == "apply without the lease"
    assert await run(redis, step) == SAYS_LATE.get(case, first)
    assert await everything(redis) == once


async def test_all_of_a_look_changes_together(redis: Redis) -> None:
    for step in BEFORE:
        await run(redis, step)
    assert await everything(redis) == {
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


async def test_a_look_at_what_was_changed_meanwhile_changes_nothing_and_is_due_again(redis: Redis) -> None:
    await run(redis, BEFORE[0])
    await run(redis, BEFORE[1])
    await run(redis, ("watch_change", CHANGE))
    assert await run(redis, BEFORE[2]) == ["again"]
    held = await everything(redis)
    assert held["mc1:incidents:slack/T1/C1"] == {"id1": "op3 {changed}"}
    assert held["mc1:looks"] == [("mta x", 201.0)]
    assert "mc1:outbox:slack/T1/C1" not in held


async def test_a_lost_claim_is_due_again_after_the_lease(redis: Redis) -> None:
    await run(redis, BEFORE[0])
    watched = [["slack/T1/C1", "id1", "{watch}", "op1 {incident}", "{begun}"]]
    assert await run(redis, ("looks_claim", CLAIM)) == [["mta x", "260", watched]]
    assert await run(redis, ("looks_claim", CLAIM)) == []
    assert await run(redis, ("looks_claim", ["mc1:looks", "260", "320", "560", "10", "900"])) == [
        ["mta x", "320", watched]
    ]
    assert await run(redis, BEFORE[2]) == ["late"]


async def test_a_range_is_claimed_alone(redis: Redis) -> None:
    for number, subject in enumerate(["mta 10.0.0.0/24", "mta a", "mta b", "mta 10.0.1.0/24", "mta c"]):
        await run(
            redis, ("watch_add", ["op", *ADD[1:3], f"id{number}", "{}", "{}", "", subject, str(number), "50", "500"])
        )
    claims = [await run(redis, ("looks_claim", CLAIM)) for _ in range(5)]
    assert [[(subject, lease) for subject, lease, _ in claimed] for claimed in claims] == [
        [("mta 10.0.0.0/24", "500")],
        [("mta a", "260"), ("mta b", "260")],
        [("mta 10.0.1.0/24", "500")],
        [("mta c", "260")],
        [],
    ]


async def test_only_watches_and_what_belongs_to_them_stay_for_ever(redis: Redis) -> None:
    steps = [*BEFORE, ("outbox_step", SENDING), ("outbox_step", SENT), ("room_note", NOTE), ("bucket_take", TAKE)]
    for step in steps:
        await run(redis, step)
    await run(redis, ("watch_remove", ["op12", *REMOVE[1:]]))
    lasting = {key async for key in redis.scan_iter("*") if await redis.ttl(key) < 0}
    assert lasting == {"mc1:outbox:slack/T1/C1", "mc1:waiting", "mc1:audit:slack/T1"}  # one letter still waits
    assert {key async for key in redis.scan_iter("mc1:*")} - lasting
