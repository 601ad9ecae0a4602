"""A small invented world of mail, served by a DNS server of its own on loopback, to see the bot at work without the internet."""

from bot.demo.dns_server import DemoWorld, demo_world
from bot.demo.world import ALERTED, EXAMPLES, Example, Switch

__all__ = ["ALERTED", "EXAMPLES", "DemoWorld", "Example", "Switch", "demo_world"]
