"""A body that somebody sends, however much of it there is, and however slowly it comes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request

from handlers import http_limits
from handlers.http_limits import Refused, whole_body

Parts = Callable[[], Awaitable[dict[str, object]]]

MOST = 64 * 1024


async def body_of(receive: Parts, headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
    return await whole_body(Request({"type": "http", "method": "POST", "headers": headers or []}, receive), MOST)


@pytest.mark.parametrize(("length", "most_reads"), [(b"10000000", 0), (b"9" * 5_000, 0), (b"12", 65), (None, 65)])
async def test_a_huge_body_is_not_read_to_its_end(length: bytes | None, most_reads: int) -> None:
    reads = 0

    async def receive() -> dict[str, object]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"a" * 1_024, "more_body": reads < 10_000}

    with pytest.raises(Refused) as refused:
        await body_of(receive, [(b"content-length", length)] if length else [])
    assert refused.value.status == 413
    assert reads <= most_reads


async def test_the_largest_body_is_whole() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"a" * MOST}

    assert await body_of(receive) == b"a" * MOST


async def test_nobody_waits_for_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(http_limits, "BODY_WITHIN_S", 0.01)
    with pytest.raises(Refused) as refused:
        await body_of(receive)
    assert refused.value.status == 408


async def test_a_caller_who_hangs_up_is_told_nothing_more() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(Refused) as refused:
        await body_of(receive)
    assert refused.value.status == 400
