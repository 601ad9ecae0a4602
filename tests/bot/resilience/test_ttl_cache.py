from __future__ import annotations

from bot.resilience.ttl_cache import TtlCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_value_expires_after_its_own_ttl() -> None:
    clock = Clock()
    cache: TtlCache[str, int] = TtlCache(10, clock)
    cache.put("short", 1, 2.0)
    cache.put("long", 2, 5.0)
    cache.put("none", 3, 0.0)
    clock.now = 1.5
    assert [cache.get(key) for key in ("short", "long", "none")] == [(1, 0.5), (2, 3.5), None]
    clock.now = 2.0
    assert (cache.get("short"), cache.values(), len(cache)) == (None, [2], 1)
    clock.now = 5.0
    assert (cache.values(), cache.get("long"), len(cache)) == ([], None, 0)


def test_full_cache_drops_the_least_recently_used() -> None:
    cache: TtlCache[int, str] = TtlCache(2, Clock())
    cache.put(1, "one", 9.0)
    cache.put(2, "two", 9.0)
    assert cache.get(1)
    cache.put(3, "three", 9.0)
    assert cache.values() == ["one", "three"]


def test_stored_again_value_replaces_the_first() -> None:
    cache: TtlCache[int, str] = TtlCache(2, Clock())
    cache.put(1, "old", 9.0)
    cache.put(1, "new", 1.0)
    assert cache.get(1) == ("new", 1.0)
    cache.remove(1)
    cache.remove(1)
    assert len(cache) == 0
