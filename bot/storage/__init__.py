"""Redis: embedded server, connections, caches and stores."""


class StoreUnavailable(Exception):
    """Redis cannot be used; the message is one sentence for the operator, without a password."""
