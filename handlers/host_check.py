"""ASGI middleware that refuses foreign `Host` headers (DNS rebinding).

A foreign page can point its own name at a loopback address and then read the responses; its name
is in the `Host` header. Routes that verify a signature or token accept any name, because proxies
forward to them. An IP address in `Host` cannot be rebound.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.settings import HostPort, split_port

REFUSAL = "Unknown host name; add it to MAILCHECK_PUBLIC_HOSTS.\n"


class HostRule(Enum):
    ANY = "any name: the route verifies a signature or token"
    OWN = "own or public names; IP addresses unless the listener is on loopback"
    PROBE = "as OWN, or no Host at all, as HTTP/1.0 probes send"


# Exact paths, and prefixes that end with a slash; "/" is exact.
ROUTE_RULES = (
    ("/healthz", HostRule.PROBE),
    ("/readyz", HostRule.PROBE),
    ("/metrics", HostRule.PROBE),
    ("/slack/", HostRule.ANY),
    ("/api/messages", HostRule.ANY),
    ("/hooks/", HostRule.ANY),
    ("/api/", HostRule.OWN),
    ("/", HostRule.OWN),
    ("/c/", HostRule.OWN),
    ("/stream", HostRule.OWN),
    ("/dashboard", HostRule.OWN),
    ("/status", HostRule.OWN),
    ("/demo", HostRule.OWN),
    ("/login", HostRule.OWN),
    ("/static/", HostRule.OWN),
)


def route_rule(path: str) -> HostRule | None:
    """None for a path without a rule; OWN applies to it."""
    for route, rule in ROUTE_RULES:
        if path == route or (route.endswith("/") and route != "/" and path.startswith(route)):
            return rule
    return None


class HostCheck:
    """Middleware for one listen address; `public_hosts` are more names, in lower case."""

    def __init__(self, app: ASGIApp, address: HostPort, public_hosts: Collection[str] = ()) -> None:
        self._app = app
        self._own_hosts = {address.host.lower(), *public_hosts}
        self._accepts_addresses = not is_loopback(address.host.lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            rule = route_rule(scope["path"]) or HostRule.OWN
            if not self._allows(rule, Headers(scope=scope).get("host", "")):
                app = PlainTextResponse(REFUSAL, 421)
        await app(scope, receive, send)

    def _allows(self, rule: HostRule, host: str) -> bool:
        name = split_port(host.strip())[0].lower().removesuffix(".")
        if rule is HostRule.ANY:
            return True
        if not name:
            return rule is HostRule.PROBE
        if name in self._own_hosts or is_loopback(name):
            return True
        return self._accepts_addresses and is_address(name)


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    return name == "localhost" or (is_address(name) and ip_address(name).is_loopback)
