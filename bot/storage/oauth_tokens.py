"""The tokens of the workspaces that installed the bot, sealed: a copy of the store is no key to them."""

from __future__ import annotations

import base64
import json

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from redis.asyncio import Redis

from bot.storage.lua_script import answering


class Installations:
    """A token under each workspace; nothing here expires. Every method raises StoreUnavailable.

    The key is made of `secret`, which is never kept: whoever gets a new one has to install the bot again.
    """

    def __init__(self, redis: Redis, platform: str, secret: str) -> None:
        self._redis, self._key = redis, f"mc1:{platform}:installed"
        self._seal = Fernet(_key_of(secret))

    async def keep(self, space: str, token: str) -> None:
        sealed = self._seal.encrypt(json.dumps([space, token]).encode())
        async with answering():
            await self._redis.hset(self._key, space, sealed.decode())

    async def token(self, space: str) -> str | None:
        """None, too, for what was sealed with another secret or for another workspace."""
        async with answering():
            sealed = await self._redis.hget(self._key, space)
        if sealed is None:
            return None
        try:
            of, token = json.loads(self._seal.decrypt(sealed))
        except InvalidToken:
            return None
        return str(token) if of == space else None

    async def forget(self, space: str) -> None:
        async with answering():
            await self._redis.hdel(self._key, space)


def _key_of(secret: str) -> bytes:
    raw = HKDF(SHA256(), 32, salt=None, info=b"mailcheck installations").derive(secret.encode())
    return base64.urlsafe_b64encode(raw)
