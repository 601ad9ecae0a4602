"""A store as a file: every key with its type, its content, and the seconds it has to live.

`load` fills an empty server with it, `dump` is the inverse. Text is stored as it is, other bytes as
`{"base64": ...}`; reading the file takes no name of the code.
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
    """The client need not decode responses."""
    for key, entry in keys.items():
        for kind, content in entry.items():
            await WRITERS[kind](redis, key, content)
        if "ttl" in entry:
            await redis.pexpire(key, round(entry["ttl"] * 1000))


async def dump(redis: Redis) -> Document:
    """By a client that does not decode. Sorted, except lists and streams, which have an order."""
    keys = sorted([key.decode() async for key in redis.scan_iter("*")])
    return {key: await _read_entry(redis, key) for key in keys}


async def _read_entry(redis: Any, key: str) -> Document:
    kind = (await redis.type(key)).decode()
    entry: Document = {kind: await READERS[kind](redis, key)}
    if kind == "stream" and (groups := await redis.xinfo_groups(key)):
        entry["groups"] = {to_text(group["name"]): to_text(group["last-delivered-id"]) for group in groups}
    ttl_ms = await redis.pttl(key)
    return entry | ({"ttl": ttl_ms / 1000} if ttl_ms >= 0 else {})


async def _read_string(redis: Any, key: str) -> Any:
    return to_text(await redis.get(key))


async def _read_hash(redis: Any, key: str) -> Any:
    return {to_text(field): to_text(value) for field, value in sorted((await redis.hgetall(key)).items())}


async def _read_list(redis: Any, key: str) -> Any:
    return [to_text(value) for value in await redis.lrange(key, 0, -1)]


async def _read_set(redis: Any, key: str) -> Any:
    return sorted(to_text(member) for member in await redis.smembers(key))


async def _read_zset(redis: Any, key: str) -> Any:
    members = await redis.zrange(key, 0, -1, withscores=True)
    return {to_text(member): score for member, score in members}


async def _read_stream(redis: Any, key: str) -> Any:
    entries = await redis.xrange(key)
    return [[to_text(id), [[to_text(f), to_text(v)] for f, v in entry.items()]] for id, entry in entries]


READERS = {
    "string": _read_string,
    "hash": _read_hash,
    "list": _read_list,
    "set": _read_set,
    "zset": _read_zset,
    "stream": _read_stream,
}


async def _write_string(redis: Any, key: str, content: Any) -> None:
    await redis.set(key, to_bytes(content))


async def _write_hash(redis: Any, key: str, content: Any) -> None:
    await redis.hset(key, mapping={field: to_bytes(value) for field, value in content.items()})


async def _write_list(redis: Any, key: str, content: Any) -> None:
    await redis.rpush(key, *map(to_bytes, content))


async def _write_set(redis: Any, key: str, content: Any) -> None:
    await redis.sadd(key, *map(to_bytes, content))


async def _write_zset(redis: Any, key: str, content: Any) -> None:
    await redis.zadd(key, content)


async def _write_stream(redis: Any, key: str, content: Any) -> None:
    for id, entry in content:
        await redis.xadd(key, {field: to_bytes(value) for field, value in entry}, id=id)


async def _create_groups(redis: Any, key: str, content: Any) -> None:
    for name, last_delivered in content.items():
        await redis.xgroup_create(key, name, last_delivered)


async def _skip(redis: Any, key: str, content: Any) -> None:
    """The TTL is set once the key exists."""


WRITERS = {
    "string": _write_string,
    "hash": _write_hash,
    "list": _write_list,
    "set": _write_set,
    "zset": _write_zset,
    "stream": _write_stream,
    "groups": _create_groups,
    "ttl": _skip,
}


def to_text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def to_bytes(value: Any) -> bytes:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else str(value).encode()
