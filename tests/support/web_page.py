"""A browser at the web chat of a running bot."""

from __future__ import annotations

import asyncio

import httpx

PAGE = "/c/mail"


async def csrf_token(browser: httpx.AsyncClient) -> str:
    """The token in the forms of the page; also opens the session."""
    return (await browser.get(PAGE)).text.split('name="csrf" value="')[1].split('"')[0]


async def submit_command(browser: httpx.AsyncClient, csrf: str, text: str, file: bytes = b"") -> httpx.Response:
    files = {"file": ("log", file)} if file else None
    return await browser.post(
        PAGE, data={"csrf": csrf, "text": text}, files=files, headers={"origin": str(browser.base_url).rstrip("/")}
    )


async def until_shown(browser: httpx.AsyncClient, text: str, within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while True:
            if text in (await browser.get(PAGE)).text:
                return
            await asyncio.sleep(0.05)
