"""The only door to Redis: the embedded server, the clients, the caches."""


class StoreUnavailable(Exception):
    """There is no Redis to work with; the text is one plain sentence for the operator, without a password in it."""
