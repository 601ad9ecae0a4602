"""Limits on request bodies: size, and time to arrive."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request

from handlers import http_limits
from handlers.http_limits import RequestRefused, read_body

Receive = Callable[[], Awaitable[dict[str, object]]]

LIMIT = 64 * 1024


async def read(receive: Receive, headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
    scope = {"type": "http", "method": "POST", "headers": headers or []}
    return await read_body(Request(scope, receive), LIMIT)


@pytest.mark.parametrize(("length", "max_reads"), [(b"10000000", 0), (b"9" * 5_000, 0), (b"12", 65), (None, 65)])
async def test_body_above_limit_is_413_before_its_end(length: bytes | None, max_reads: int) -> None:
    reads = 0

    async def receive() -> dict[str, object]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"a" * 1_024, "more_body": reads < 10_000}

    with pytest.raises(RequestRefused) as refused:
        await read(receive, [(b"content-length", length)] if length else [])
    assert refused.value.status == 413
    assert reads <= max_reads


async def test_body_at_limit_is_read() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"a" * LIMIT}

    assert await read(receive) == b"a" * LIMIT


async def test_body_that_does_not_arrive_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(http_limits, "BODY_TIMEOUT_S", 0.01)
    with pytest.raises(RequestRefused) as refused:
        await read(receive)
    assert refused.value.status == 408


async def test_body_of_disconnected_client_is_400() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(RequestRefused) as refused:
        await read(receive)
    assert refused.value.status == 400


async def test_large_bodies_wait_for_their_turn_and_small_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "BODY_TIMEOUT_S", 0.05)
    turns, reads = asyncio.Semaphore(1), 0

    async def receive() -> dict[str, object]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"a" * (LIMIT // 2), "more_body": reads % 4 > 0}

    async def read_large() -> bytes:
        return await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 4 * LIMIT, turns)

    async with turns:
        with pytest.raises(RequestRefused) as refused:
            await read_large()
        reads = 2
        assert len(await read_large()) == LIMIT
    reads = 0
    assert (refused.value.status, len(await read_large())) == (408, 2 * LIMIT)
