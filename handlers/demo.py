"""`mailcheck demo`: the bot in a small invented world, with watches that hurry; nothing is asked of the internet."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.assembly import mail_wing
from bot.demo import DemoWorld, demo_world
from bot.settings import HostPort, Settings, SpecialAddresses
from handlers.platform import Part
from handlers.service import serve


async def demo(listening: HostPort) -> None:
    """Serves until it is told to stop; its memory goes with it."""
    with TemporaryDirectory(prefix="mailcheck-demo-") as folder:
        async with demo_world() as world, mail_wing(hurried(world, Path(folder), listening), needs_store=True) as wing:
            await serve(wing, Part.ALL, world)


def hurried(world: DemoWorld, folder: Path, listening: HostPort) -> Settings:
    """No chat but the page, no store but its own, the invented world for DNS, and a listing that is told within seconds."""
    return Settings(
        redis_url=None,
        blocklists=None,
        spamhaus_dqs_key=None,
        abusix_key=None,
        slack_bot_token=None,
        slack_app_token=None,
        slack_signing_secret=None,
        teams_client_id=None,
        teams_client_secret=None,
        nameservers=(world.server,),
        special_addresses=SpecialAddresses.ALLOW,
        state_dir=folder,
        http=listening,
        watch_every=timedelta(seconds=3),
        confirm_after=timedelta(seconds=2),
        clear_after=timedelta(seconds=5),
        group_for=timedelta(seconds=1),
    )
