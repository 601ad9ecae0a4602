"""Stored values that cannot be read: each is skipped by itself, logged once and counted.

A client decodes bytes that are not UTF-8 to lone surrogates, so that they neither raise in the
middle of a reply nor change when they are written back; `check_text` finds them. A value that
blocks others is moved to `mc1:unreadable:…`, where it stays for the operator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.storage.lua_script import LuaScript

MAX_REPORTED = 10_000  # items remembered, so that each is logged once
# What parsing raises: ArithmeticError for a time that is too far away, RecursionError for deep JSON.
UNREADABLE_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
)
WRONG_TYPE = "wrong type"  # the scripts report it, too
VALUE_ERRORS = ("WRONGTYPE", "not an integer", "not a valid float", "not a float")

T = TypeVar("T")
log = structlog.get_logger()


class UnreadableValues:
    """Unreadable values that this process met; `count` is called with the kind of each.

    Without `redis` values are reported only. `wrong_types` are keys with a value of another type, for those that can
    build them anew.
    """

    def __init__(self, redis: Redis | None = None, count: Callable[[str], None] = lambda _: None) -> None:
        self._redis: Any = redis
        self._count = count
        self._reported: set[tuple[str, str]] = set()
        self.wrong_types: set[str] = set()
        self._set_aside_script = LuaScript(redis, "set_aside.lua") if redis else None

    def report(self, key: str, field: str, reason: str) -> None:
        """Log and count an item, once. The reason must not contain the value."""
        if reason == WRONG_TYPE and len(self.wrong_types) < MAX_REPORTED:
            self.wrong_types.add(key)
        if (key, field) in self._reported or len(self._reported) >= MAX_REPORTED:
            return
        self._reported.add((key, field))
        self._count(kind_of(key))
        log.error("stored value unreadable", key=printable(key), field=printable(field), reason=reason)

    def parse(self, key: str, field: str, parse: Callable[..., T], *arguments: Any) -> T | None:
        """The result of `parse`; None, reported, if the value cannot be read."""
        try:
            return parse(*arguments)
        except UNREADABLE_ERRORS as error:
            self.report(key, field, type(error).__name__)
            return None

    async def read(self, key: str, reply: Awaitable[Any], default: Any) -> Any:
        """The reply of a command; the default, reported, if the key holds a value of another type."""
        try:
            return await reply
        except ResponseError as error:
            return self.usable(key, error, default)

    def usable(self, key: str, reply: Any, default: Any) -> Any:
        """A reply of a pipeline that does not raise. Raises errors that are not about the value."""
        if isinstance(reply, ResponseError) and is_value_error(reply):
            self.report(key, "", WRONG_TYPE)
            return default
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def write(self, types: dict[str, str], command: Callable[[], Awaitable[Any]]) -> Any:
        """Result of a command; if a key has another type than in `types`, it is set aside first."""
        try:
            return await command()
        except ResponseError as error:
            if not is_value_error(error):
                raise
        for key, kind in types.items():
            await self.set_aside(key, kind)
        return await command()

    async def set_aside(self, key: str, kind: str, text: str = "") -> None:
        """Rename a key that is not of this kind, or a string that still is this text."""
        if self._set_aside_script and await self._set_aside_script(key, kind, text):
            self.report(key, "", "set aside")


def is_value_error(error: Exception) -> bool:
    return any(part in str(error) for part in VALUE_ERRORS)


def check_text(text: str) -> str:
    """Raises ValueError for a text that was not UTF-8."""
    text.isascii() or text.encode()
    return text


def is_text(text: str) -> bool:
    try:
        check_text(text)
    except ValueError:
        return False
    return True


def kind_of(key: str) -> str:
    """`watches` of `mc1:watches:CHANNEL`."""
    return printable(key.removeprefix("mc1:").partition(":")[0])


def printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
