"""Who may be on the wire: a bounded number of questions, and a person's before a sweep's."""

from __future__ import annotations

from collections import OrderedDict

from bot.net.flight import Query


class Window:
    """`limit` questions fly at once, of them at most `bulk_limit` for sweeps; the others wait in the order they came."""

    def __init__(self, limit: int, bulk_limit: int) -> None:
        self.flying: dict[Query, None] = {}
        self._people: OrderedDict[Query, None] = OrderedDict()
        self._bulk: OrderedDict[Query, None] = OrderedDict()
        self._limit, self._bulk_limit = limit, bulk_limit
        self.bulk_flying = 0

    def __len__(self) -> int:
        return len(self.flying) + len(self._people) + len(self._bulk)

    def enter(self, query: Query) -> None:
        (self._bulk if query.bulk else self._people)[query] = None

    def board(self, query: Query) -> None:
        """It is on the wire already, in the place of a question of the fast lane."""
        self.flying[query] = None

    def next(self) -> Query | None:
        """The next question that may fly, now counted as flying."""
        if len(self.flying) >= self._limit:
            return None
        if self._people:
            query, _ = self._people.popitem(last=False)
        elif self._bulk and self.bulk_flying < self._bulk_limit:
            query, _ = self._bulk.popitem(last=False)
            self.bulk_flying += 1
        else:
            return None
        self.flying[query] = None
        return query

    def leave(self, query: Query) -> None:
        """It is settled or given up, wherever it stood."""
        if query not in self.flying:
            (self._bulk if query.bulk else self._people).pop(query, None)
            return
        del self.flying[query]
        self.bulk_flying -= query.bulk

    def everyone(self) -> list[Query]:
        return [*self.flying, *self._people, *self._bulk]

    def due(self, now: float) -> list[Query]:
        """Those whose next copy is due, and those whose deadline has passed, queued or flying."""
        waiting = [query for query in self._people if query.deadline <= now]
        return waiting + [query for query in self.flying if query.due <= now or query.deadline <= now]
