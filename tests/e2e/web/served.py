"""`python -m tests.e2e.web.served PORT FOLDER`: the bot on the demo zones, with short intervals.

Its state is in FOLDER.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from bot.app import open_core
from bot.demo import run_demo
from bot.settings import HostPort, Settings, SpecialAddresses
from handlers import logging_config
from handlers.ports import ServeRole
from handlers.service import serve
from handlers.settings import ServiceSettings
from handlers.web.settings import WebSettings


async def main(port: int, folder: Path) -> None:
    async with run_demo() as world:
        settings = Settings(
            nameservers=(world.server,),
            special_addresses=SpecialAddresses.ALLOW,
            state_dir=folder,
            watch_every=timedelta(seconds=2),
            confirm_after=timedelta(seconds=1),
            clear_after=timedelta(seconds=3),
            group_for=timedelta(seconds=1),
        )
        service = ServiceSettings(settings, WebSettings(http=HostPort("127.0.0.1", port)))
        async with open_core(settings, needs_store=True) as core:
            await serve(core, service, ServeRole.ALL, world)


if __name__ == "__main__":
    logging_config.configure()
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
