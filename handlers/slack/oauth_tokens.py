"""Bot tokens of the workspaces that installed the Slack app, encrypted at rest."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from redis.asyncio import Redis

from bot.storage.lua_script import store_errors
from bot.storage.unreadable import UnreadableValues


class OAuthTokens:
    """One token per workspace, without expiry. Methods raise StoreUnavailable.

    The encryption key is derived from `secret`, which is not stored: a new secret requires a new
    installation.
    """

    def __init__(self, redis: Redis, secret: str) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._key, self._unreadable = "mc1:slack:installed", UnreadableValues(redis)
        self._fernet = Fernet(_derive_key(secret))

    async def save(self, workspace: str, token: str) -> None:
        encrypted = self._fernet.encrypt(json.dumps([workspace, token]).encode())
        async with store_errors():
            await self._unreadable.write(
                {self._key: "hash"}, lambda: self._redis.hset(self._key, workspace, encrypted.decode())
            )

    async def token(self, workspace: str) -> str | None:
        """The token; None if there is none or it was encrypted for another workspace or secret."""
        async with store_errors():
            encrypted = await self._unreadable.read(self._key, self._redis.hget(self._key, workspace), None)
        if encrypted is None:
            return None
        try:
            owner, token = json.loads(self._fernet.decrypt(encrypted))
        except (InvalidToken, ValueError, TypeError):
            return None
        return str(token) if owner == workspace else None

    async def delete(self, workspace: str) -> None:
        async with store_errors():
            await self._redis.hdel(self._key, workspace)


def _derive_key(secret: str) -> bytes:
    raw = HKDF(SHA256(), 32, salt=None, info=b"mailcheck installations").derive(secret.encode())
    return base64.urlsafe_b64encode(raw)
