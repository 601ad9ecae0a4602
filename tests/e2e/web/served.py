"""`python -m tests.e2e.web.served PORT FOLDER`: the whole bot over the demo's world, in a hurry, with its state in FOLDER."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from bot import logging_config
from bot.app import mail_wing
from bot.demo import demo_world
from bot.settings import HostPort, Settings, SpecialAddresses
from handlers.ports import Part
from handlers.service import serve


async def main(port: int, folder: Path) -> None:
    async with demo_world() as world:
        settings = Settings(
            nameservers=(world.server,),
            special_addresses=SpecialAddresses.ALLOW,
            state_dir=folder,
            http=HostPort("127.0.0.1", port),
            watch_every=timedelta(seconds=2),
            confirm_after=timedelta(seconds=1),
            clear_after=timedelta(seconds=3),
            group_for=timedelta(seconds=1),
        )
        async with mail_wing(settings, needs_store=True) as wing:
            await serve(wing, Part.ALL, world)


if __name__ == "__main__":
    logging_config.configure()
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
