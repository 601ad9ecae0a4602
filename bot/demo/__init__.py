"""The demo: an invented mail set-up served by a DNS server on loopback."""

from bot.demo.dns_server import Demo, run_demo
from bot.demo.world import WATCH_EXAMPLES, EXAMPLES, Example, Switch

__all__ = ["WATCH_EXAMPLES", "EXAMPLES", "Demo", "Example", "Switch", "run_demo"]
