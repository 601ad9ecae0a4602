"""Slack as the bot sees it from outside: the Web API and response URLs, strict about what is sent to them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.slack_validator import faults, form_faults, home_faults

TOKEN = "xoxb-a-token-for-tests"  # shaped like one, so that a log that leaks it is found
MOST_USES = 5

Message = dict[str, Any]


def stamped(start: int) -> Iterator[str]:
    """Ids of messages, a second apart."""
    return (f"{second}.000100" for second in count(start))


@dataclass
class Uploaded:
    """Files as Slack takes them: announced with their length, filled, and then completed; only then a message shows one."""

    announced: dict[str, Message] = field(default_factory=dict)
    complete: dict[str, bytes] = field(default_factory=dict)

    def take(self, method: str, query: dict[str, str], request: Request) -> Message:
        if method == "files.getUploadURLExternal":
            file = f"F{len(self.announced) + 1}"
            assert 0 < len(query["alt_txt"]) <= 2_000
            self.announced[file] = {"length": int(query["length"]), "alt": query["alt_txt"]}
            return {"file_id": file, "upload_url": str(request.url.replace(path=f"/upload/{file}", query=""))}
        assert method == "files.completeUploadExternal"
        assert "channel_id" not in query, "a file that is shared is a message of its own"
        [sent] = json.loads(query["files"])
        self.complete[sent["id"]] = self.announced[sent["id"]]["data"]
        return {"files": [{"id": sent["id"], "title": sent["title"]}]}

    def fill(self, file: str, data: bytes) -> None:
        assert self.announced[file]["length"] == len(data)
        assert data.startswith(b"\x89PNG")
        self.announced[file]["data"] = data

    def missing(self, payload: Message) -> list[str]:
        shown = [block["slack_file"]["id"] for block in payload.get("blocks", ()) if block["type"] == "image"]
        return [f"no file {file}" for file in shown if file not in self.complete]


@dataclass
class FakeSlack:
    """`said` is everything that reached a person, in order, as (way, payload).

    `mishaps` are answered instead, one for each call: a way, and a status or a word of Slack's for an error. One with a `+`
    before it, such as `+503`, happens after the message was stored; `+cut` ends the connection without an answer. Where none
    is left, `chance` is asked for one.
    """

    said: list[tuple[str, Message]] = field(default_factory=list)
    refused: list[tuple[str, list[str]]] = field(default_factory=list)
    mishaps: list[tuple[str, int | str]] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    stamps: Iterator[str] = field(default_factory=lambda: stamped(1_700_000_000))
    stored: dict[str, list[Message]] = field(default_factory=dict)
    forms: list[Message] = field(default_factory=list)
    uploaded: Uploaded = field(default_factory=Uploaded)
    homes: list[Message] = field(default_factory=list)
    members: dict[str, list[Message]] = field(default_factory=dict)
    teams: dict[str, str] = field(default_factory=lambda: {TOKEN: "T1"})  # by token
    installing: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # by code: a workspace, and the token it will give
    files: dict[str, Message] = field(default_factory=dict)
    octets: dict[str, bytes] = field(default_factory=dict)
    chance: Callable[[str], int | str | None] = lambda _: None
    retry_after: int = 7
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/{method:path}", self._api, methods=["GET", "POST"]),
                Route("/actions/{use:path}", self._response_url, methods=["POST"]),
                Route("/upload/{file}", self._upload, methods=["POST"]),
                Route("/files-pri/{id}", self._file),
            ]
        )

    async def until(self, enough: Callable[[list[tuple[str, Message]]], bool], within: float = 5.0) -> list[Message]:
        """Everything said, as soon as it is enough."""
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(lambda: enough(self.said))
        return [payload for _, payload in self.said]

    async def shown_form(self, within: float = 5.0) -> Message:
        """The form that was opened last, once there is one."""
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(lambda: bool(self.forms))
        return self.forms[-1]

    async def _api(self, request: Request) -> Response:
        method = request.path_params["method"]
        self.calls[method] += 1
        if method == "oauth.v2.access":
            return self._installed(dict(parse_qsl((await request.body()).decode())))
        team = self.teams.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if team is None:
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        if method == "auth.test":
            return JSONResponse({"ok": True, "user_id": "UBOT", "bot_id": "BBOT", "team_id": team})
        if (mishap := self._mishap(method)) is not None:
            return self._refusal(mishap, in_json=True)
        if (answer := self._asked(method, request)) is not None:
            return JSONResponse({"ok": True, **answer})
        payload = await request.json()
        wrong = VIEWS[method](payload["view"]) if method in VIEWS else self._faults(payload, method)
        if wrong:
            self.refused.append((method, wrong))
            return JSONResponse({"ok": False, "error": "invalid_blocks"})
        if method in VIEWS:
            async with self.news:
                (self.forms if method == "views.open" else self.homes).append(payload)
                self.news.notify_all()
            return JSONResponse({"ok": True})
        ts = payload.get("ts") or next(self.stamps)
        self._store(method, payload | {"ts": ts})
        await self._hear(method, payload | {"ts": ts})
        if (mishap := self._mishap(f"+{method}")) is not None:
            return Cut() if mishap == "cut" else self._refusal(mishap, in_json=True)
        return JSONResponse({"ok": True, "ts": ts, "message_ts": ts, "channel": payload["channel"]})

    def _asked(self, method: str, request: Request) -> Message | None:
        """What is asked with words alone; None for what carries a document."""
        query = dict(request.query_params)
        if method in LOOKS:
            return LOOKS[method](self, query)
        if method == "conversations.open":
            return {"channel": {"id": "D" + query["users"]}}
        return self.uploaded.take(method, query, request) if method in UPLOADS else None

    def _faults(self, payload: Message, sent_to: str) -> list[str]:
        return [*faults(payload, sent_to), *self.uploaded.missing(payload)]

    def _installed(self, sent: Message) -> Response:
        """A code is good once (docs.slack.dev, oauth.v2.access)."""
        if sent["code"] not in self.installing:
            return JSONResponse({"ok": False, "error": "invalid_code"})
        team, token = self.installing.pop(sent["code"])
        self.teams[token] = team
        about = {"app_id": "A1", "bot_user_id": "UBOT", "scope": "commands", "token_type": "bot"}
        return JSONResponse(
            {"ok": True, "access_token": token, "team": {"id": team}, "authed_user": {"id": "U9"}, **about}
        )

    def _store(self, method: str, payload: Message) -> None:
        channel = self.stored.setdefault(payload["channel"], [])
        if method == "chat.postMessage":
            channel.append(payload)
        for message in channel if method == "chat.update" else ():
            if message["ts"] == payload["ts"]:
                message.update(payload)

    def history(self, query: dict[str, str]) -> Message:
        """What stands in a channel outside of threads; metadata only for who asks for it."""
        return self._window(query, lambda said: "thread_ts" not in said)

    def replies(self, query: dict[str, str]) -> Message:
        return self._window(query, lambda said: query["ts"] in (said.get("thread_ts"), said["ts"]))

    def channels_of(self, query: dict[str, str]) -> Message:
        """The channels of a person, of the kinds that were asked for (docs.slack.dev, users.conversations)."""
        kinds = query.get("types", "public_channel").split(",")
        theirs = [one for one in self.members.get(query["user"], ()) if one.get("kind", "public_channel") in kinds]
        start, most = int(query.get("cursor") or 0), int(query.get("limit", 100))
        following = {"next_cursor": str(start + most) if start + most < len(theirs) else ""}
        return {"channels": theirs[start : start + most], "response_metadata": following}

    def _window(self, query: dict[str, str], chosen: Callable[[Message], bool]) -> Message:
        assert query["include_all_metadata"] == "1", "without it Slack leaves metadata out"
        said = [
            message
            for message in self.stored.get(query["channel"], ())
            if chosen(message) and float(message["ts"]) >= float(query["oldest"])
        ]
        start = int(query.get("cursor") or 0)
        end = start + int(query["limit"])
        following = {"next_cursor": str(end)} if end < len(said) else {"next_cursor": ""}
        return {"messages": said[start:end], "response_metadata": following}

    async def _response_url(self, request: Request) -> Response:
        use = request.path_params["use"]
        self.uses[use] = self.uses.get(use, 0) + 1
        if (mishap := self._mishap("response_url")) is not None:
            return self._refusal(mishap, in_json=False)
        if self.uses[use] > MOST_USES:
            return PlainTextResponse("used_url", 404)
        payload = await request.json()
        if wrong := self._faults(payload, "response_url"):
            self.refused.append(("response_url", wrong))
            return PlainTextResponse("invalid_blocks", 400)
        await self._hear("response_url", payload)
        return PlainTextResponse("ok")

    def keep(self, server: str, id: str, octets: bytes, **told: Any) -> Message:
        """A file that somebody attached, as Slack tells of it in a message."""
        place = f"{server}/files-pri/{id}"
        self.octets[id] = octets
        self.files[id] = {"id": id, "size": len(octets), "url_private": place, "url_private_download": place, **told}
        return {"id": id}

    def about_file(self, query: dict[str, str]) -> Message:
        told = self.files.get(query["file"])
        return {"file": told} if told else {"ok": False, "error": "file_not_found"}

    async def _file(self, request: Request) -> Response:
        """Without the token, Slack sends whoever asks to its login page."""
        if (mishap := self._mishap("file")) is not None:
            return Cut() if mishap == "cut" else self._refusal(mishap, in_json=False)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.teams:
            return PlainTextResponse("", 302, {"Location": "https://slack.example/login"})
        return Response(self.octets[request.path_params["id"]], media_type="text/plain")

    async def _upload(self, request: Request) -> Response:
        self.uploaded.fill(request.path_params["file"], await request.body())
        return PlainTextResponse("OK")

    async def _hear(self, way: str, payload: Message) -> None:
        async with self.news:
            self.said.append((way, payload))
            self.news.notify_all()

    def _mishap(self, way: str) -> int | str | None:
        for number, (where, what) in enumerate(self.mishaps):
            if where == way:
                del self.mishaps[number]
                return what
        return self.chance(way)

    def _refusal(self, what: int | str, in_json: bool) -> Response:
        if isinstance(what, int):
            return PlainTextResponse("later", what, {"Retry-After": str(self.retry_after)})
        if in_json:
            return JSONResponse({"ok": False, "error": what})
        return PlainTextResponse(what, 400 if what.startswith("invalid") else 404)


class Cut(Response):
    """The connection ends before the answer does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"{"})


UPLOADS = ("files.getUploadURLExternal", "files.completeUploadExternal")
VIEWS = {"views.open": form_faults, "views.publish": home_faults}
LOOKS = {
    "files.info": FakeSlack.about_file,
    "conversations.history": FakeSlack.history,
    "conversations.replies": FakeSlack.replies,
    "users.conversations": FakeSlack.channels_of,
}
