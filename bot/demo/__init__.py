"""The demo: an invented mail set-up served by a DNS server on loopback."""

from bot.demo.dns_server import Demo, run_demo
from bot.demo.world import EXAMPLES, WATCH_EXAMPLES, Example, Switch

__all__ = ["EXAMPLES", "WATCH_EXAMPLES", "Demo", "Example", "Switch", "run_demo"]
