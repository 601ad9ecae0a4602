"""Conversation references in Redis, shared by all processes."""

from __future__ import annotations

from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.record_store import RecordStore
from handlers.ports import Channel
from handlers.teams.conversation_references import ConversationReference


class StoredConversationReferences:
    """Conversation references over a record store; a missing team keeps the known one.

    `store` and `get` raise StoreUnavailable where the store does not answer at once.
    """

    def __init__(self, records: RecordStore, breaker: CircuitBreaker) -> None:
        self._records, self._breaker = records, breaker

    async def store(self, conversation: ConversationReference) -> None:
        owners = [owner for owner in (conversation.id, conversation.team) if owner]
        groups = [_key(conversation.tenant, owner) for owner in owners]
        key, record = _key(conversation.tenant, conversation.id), conversation.to_record()
        await self._breaker.call(lambda: self._records.put(key, record, groups))

    async def get(self, channel: Channel) -> ConversationReference | None:
        """Raises UnreadableRecord."""
        key = _key(channel.workspace, channel.id)
        record = await self._breaker.call(lambda: self._records.get(key))
        try:
            defaults = {"team": "", "tenant": "", "bot": ""}
            return ConversationReference.from_record({**defaults, **record}) if record else None
        except (KeyError, ValueError) as error:
            raise self._records.unreadable(key, type(error).__name__) from None

    async def delete(self, tenant: str, owner_id: str) -> tuple[Channel, ...]:
        keys = await self._records.delete_group(_key(tenant, owner_id))
        return tuple(Channel("teams", *key.split(" ", 1)) for key in keys if " " in key)


def _key(tenant: str, owner_id: str) -> str:
    return f"{tenant} {owner_id}"
