"""A store as a file: every key with its type, its content, and for how many seconds it lives.

`load` fills an empty server with it, `dump` is the inverse. A text stands as it is, other bytes as
`{"base64": ...}`; no name of the code is needed to read it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

Document = dict[str, Any]


def read(file: Path) -> Document:
    document: Document = json.loads(file.read_text(encoding="utf-8"))
    return document


async def load(redis: Redis, keys: Document) -> None:
    """The client need not decode; what it sends is bytes."""
    for key, held in keys.items():
        for kind, content in held.items():
            await FILL[kind](redis, key, content)
        if "ttl" in held:
            await redis.pexpire(key, round(held["ttl"] * 1000))


async def dump(redis: Redis) -> Document:
    """By a client that does not decode. Sorted, but for lists and streams, which have an order."""
    keys = sorted([key.decode() async for key in redis.scan_iter("*")])
    return {key: await _held(redis, key) for key in keys}


async def _held(redis: Any, key: str) -> Document:
    kind = (await redis.type(key)).decode()
    held: Document = {kind: await READ[kind](redis, key)}
    if kind == "stream" and (groups := await redis.xinfo_groups(key)):
        held["groups"] = {text(group["name"]): text(group["last-delivered-id"]) for group in groups}
    left = await redis.pttl(key)
    return held | ({"ttl": left / 1000} if left >= 0 else {})


async def _string(redis: Any, key: str) -> Any:
    return text(await redis.get(key))


async def _hash(redis: Any, key: str) -> Any:
    return {text(field): text(value) for field, value in sorted((await redis.hgetall(key)).items())}


async def _list(redis: Any, key: str) -> Any:
    return [text(value) for value in await redis.lrange(key, 0, -1)]


async def _set(redis: Any, key: str) -> Any:
    return sorted(text(member) for member in await redis.smembers(key))


async def _zset(redis: Any, key: str) -> Any:
    held = await redis.zrange(key, 0, -1, withscores=True)
    return {text(member): score for member, score in held}


async def _stream(redis: Any, key: str) -> Any:
    lines = await redis.xrange(key)
    return [[text(id), [[text(f), text(v)] for f, v in line.items()]] for id, line in lines]


READ = {
    "string": _string,
    "hash": _hash,
    "list": _list,
    "set": _set,
    "zset": _zset,
    "stream": _stream,
}


async def _fill_string(redis: Any, key: str, content: Any) -> None:
    await redis.set(key, raw(content))


async def _fill_hash(redis: Any, key: str, content: Any) -> None:
    await redis.hset(key, mapping={field: raw(value) for field, value in content.items()})


async def _fill_list(redis: Any, key: str, content: Any) -> None:
    await redis.rpush(key, *map(raw, content))


async def _fill_set(redis: Any, key: str, content: Any) -> None:
    await redis.sadd(key, *map(raw, content))


async def _fill_zset(redis: Any, key: str, content: Any) -> None:
    await redis.zadd(key, content)


async def _fill_stream(redis: Any, key: str, content: Any) -> None:
    for id, line in content:
        await redis.xadd(key, {field: raw(value) for field, value in line}, id=id)


async def _fill_groups(redis: Any, key: str, content: Any) -> None:
    for name, delivered in content.items():
        await redis.xgroup_create(key, name, delivered)


async def _fill_nothing(redis: Any, key: str, content: Any) -> None:
    """How long it has to live is set once the key is there."""


FILL = {
    "string": _fill_string,
    "hash": _fill_hash,
    "list": _fill_list,
    "set": _fill_set,
    "zset": _fill_zset,
    "stream": _fill_stream,
    "groups": _fill_groups,
    "ttl": _fill_nothing,
}


def text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def raw(value: Any) -> bytes:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else str(value).encode()
