"""The host itself: outgoing port 25, the address that mail leaves from, the store, the chat credentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.doctor.codes import found
from bot.model import Address, Finding, Verdict


@dataclass(frozen=True, slots=True)
class PortTry:
    """What a connection to port 25 of a host that the person named showed; `open` is None where none was tried."""

    host: str = ""
    ip: Address | None = None
    open: bool | None = None


def port_finding(tried: PortTry) -> Finding:
    if tried.open is None and tried.host:
        says = f"Outgoing port 25 could not be tried: {tried.host} has no public address that is known here."
        return found("port-not-known", "port 25", Verdict.UNKNOWN, says, "Name a mail server that has one.")
    if tried.open is None:
        says = "Outgoing port 25 was not tried."
        return found(
            "port-not-tried", "port 25", Verdict.PASS, says, "Name a mail server to try: --smtp-host mx.example.com."
        )
    if tried.open:
        return found("port-open", "port 25", Verdict.PASS, f"Port 25 of {tried.host} can be reached from here.")
    says = f"Port 25 of {tried.host} ({tried.ip}) cannot be reached from here: the network or the provider shuts it."
    return found(
        "port-shut", "port 25", Verdict.WARN, says, "This host cannot send mail itself; its checks need no port 25."
    )


def egress_finding(egress: Address, followed: bool | None) -> list[Finding]:
    """Whether somebody watches the address that mail leaves from; `followed` is None where the store does not say."""
    if followed is None:
        return []
    if followed:
        return [found("egress-watched", str(egress), Verdict.PASS, f"{egress} is watched.")]
    says = f"Nobody watches {egress}, so nobody is told when a blocklist lists it."
    return [found("egress-not-watched", str(egress), Verdict.WARN, says, f"Type in a channel: watch {egress}")]


def store_finding(place: str, warnings: Sequence[str], problem: str = "") -> Finding:
    if problem:
        return found("store-away", place, Verdict.WARN, problem, "Checks run uncached until it is back.")
    if warnings:
        return found("store-warning", place, Verdict.WARN, " ".join(warnings), "See the manual of your Redis.")
    return found("store-ready", place, Verdict.PASS, "The store answers and keeps what it is given.")


def chat_finding(platforms: Sequence[str]) -> Finding:
    if platforms:
        return found("chat-ready", "chat", Verdict.PASS, f"Credentials are set for {' and '.join(platforms)}.")
    says = "No chat credentials are set, so the bot only answers in the terminal."
    return found("chat-none", "chat", Verdict.PASS, says, "The README tells how to create the Slack app.")
