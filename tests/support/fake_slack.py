"""Fake Slack server: Web API and response URLs, strict about their input."""

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

from tests.support.slack_validator import form_faults, home_faults, message_faults

TOKEN = "xoxb-a-token-for-tests"  # realistic, so that redaction is tested
MAX_USES = 5

Message = dict[str, Any]


def message_timestamps(start: int) -> Iterator[str]:
    """Message timestamps, one second apart."""
    return (f"{second}.000100" for second in count(start))


@dataclass
class FakeUploads:
    """Files in Slack's three steps: announced with their length, uploaded, completed.

    A message may show only a completed file.
    """

    announced: dict[str, Message] = field(default_factory=dict)
    complete: dict[str, bytes] = field(default_factory=dict)

    def handle(self, method: str, query: dict[str, str], request: Request) -> Message:
        if method == "files.getUploadURLExternal":
            file = f"F{len(self.announced) + 1}"
            assert 0 < len(query["alt_txt"]) <= 2_000
            self.announced[file] = {"length": int(query["length"]), "alt": query["alt_txt"]}
            return {"file_id": file, "upload_url": str(request.url.replace(path=f"/upload/{file}", query=""))}
        assert method == "files.completeUploadExternal"
        assert "channel_id" not in query, "sharing the file would post a message"
        [file_info] = json.loads(query["files"])
        self.complete[file_info["id"]] = self.announced[file_info["id"]]["data"]
        return {"files": [{"id": file_info["id"], "title": file_info["title"]}]}

    def store(self, file: str, data: bytes) -> None:
        assert self.announced[file]["length"] == len(data)
        assert data.startswith(b"\x89PNG")
        self.announced[file]["data"] = data

    def missing(self, payload: Message) -> list[str]:
        file_ids = [block["slack_file"]["id"] for block in payload.get("blocks", ()) if block["type"] == "image"]
        return [f"no file {file}" for file in file_ids if file not in self.complete]


@dataclass
class FakeSlack:
    """`sent` has everything that reached a user, in order, as (method, payload).

    `failures` are returned instead, one per call, as (method, HTTP status or error code). A method
    with `+`, such as `+chat.postMessage`, fails after the message was stored; the code `cut` drops
    the connection without a response. If none is left, `random_failure` is called.
    """

    sent: list[tuple[str, Message]] = field(default_factory=list)
    rejected: list[tuple[str, list[str]]] = field(default_factory=list)
    failures: list[tuple[str, int | str]] = field(default_factory=list)
    response_url_uses: dict[str, int] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    timestamps: Iterator[str] = field(default_factory=lambda: message_timestamps(1_700_000_000))
    stored: dict[str, list[Message]] = field(default_factory=dict)
    opened_forms: list[Message] = field(default_factory=list)
    uploads: FakeUploads = field(default_factory=FakeUploads)
    published_homes: list[Message] = field(default_factory=list)
    memberships: dict[str, list[Message]] = field(default_factory=dict)
    teams_by_token: dict[str, str] = field(default_factory=lambda: {TOKEN: "T1"})  # by token
    pending_installs: dict[str, tuple[str, str]] = field(default_factory=dict)  # by code: workspace, token
    files: dict[str, Message] = field(default_factory=dict)
    file_contents: dict[str, bytes] = field(default_factory=dict)
    random_failure: Callable[[str], int | str | None] = lambda _: None
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

    async def wait_for_messages(
        self, condition: Callable[[list[tuple[str, Message]]], bool], timeout_s: float = 5.0
    ) -> list[Message]:
        """All payloads sent, as soon as the condition holds."""
        async with asyncio.timeout(timeout_s), self.changed:
            await self.changed.wait_for(lambda: condition(self.sent))
        return [payload for _, payload in self.sent]

    async def wait_for_form(self, timeout_s: float = 5.0) -> Message:
        """The last opened modal, once there is one."""
        async with asyncio.timeout(timeout_s), self.changed:
            await self.changed.wait_for(lambda: bool(self.opened_forms))
        return self.opened_forms[-1]

    async def _api(self, request: Request) -> Response:
        method = request.path_params["method"]
        self.calls[method] += 1
        if method == "oauth.v2.access":
            return self._exchange_code(dict(parse_qsl((await request.body()).decode())))
        team = self.teams_by_token.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if team is None:
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        if method == "auth.test":
            return JSONResponse({"ok": True, "user_id": "UBOT", "bot_id": "BBOT", "team_id": team})
        if (failure := self._take_failure(method)) is not None:
            return self._error_response(failure, in_json=True)
        if (result := self._call_with_query(method, request)) is not None:
            return JSONResponse({"ok": True, **result})
        payload = await request.json()
        problems = (
            VIEW_VALIDATORS[method](payload["view"]) if method in VIEW_VALIDATORS else self._problems(payload, method)
        )
        if problems:
            self.rejected.append((method, problems))
            return JSONResponse({"ok": False, "error": "invalid_blocks"})
        if method in VIEW_VALIDATORS:
            async with self.changed:
                (self.opened_forms if method == "views.open" else self.published_homes).append(payload)
                self.changed.notify_all()
            return JSONResponse({"ok": True})
        ts = payload.get("ts") or next(self.timestamps)
        self._store(method, payload | {"ts": ts})
        await self._record(method, payload | {"ts": ts})
        if (failure := self._take_failure(f"+{method}")) is not None:
            return TruncatedResponse() if failure == "cut" else self._error_response(failure, in_json=True)
        return JSONResponse({"ok": True, "ts": ts, "message_ts": ts, "channel": payload["channel"]})

    def _call_with_query(self, method: str, request: Request) -> Message | None:
        """Methods with query parameters only; None for those with a JSON body."""
        query = dict(request.query_params)
        if method in READ_METHODS:
            return READ_METHODS[method](self, query)
        if method == "conversations.open":
            return {"channel": {"id": "D" + query["users"]}}
        return self.uploads.handle(method, query, request) if method in UPLOAD_METHODS else None

    def _problems(self, payload: Message, method: str) -> list[str]:
        return [*message_faults(payload, method), *self.uploads.missing(payload)]

    def _exchange_code(self, form: Message) -> Response:
        """A code is valid once (docs.slack.dev, oauth.v2.access)."""
        if form["code"] not in self.pending_installs:
            return JSONResponse({"ok": False, "error": "invalid_code"})
        team, token = self.pending_installs.pop(form["code"])
        self.teams_by_token[token] = team
        details = {"app_id": "A1", "bot_user_id": "UBOT", "scope": "commands", "token_type": "bot"}
        return JSONResponse(
            {"ok": True, "access_token": token, "team": {"id": team}, "authed_user": {"id": "U9"}, **details}
        )

    def _store(self, method: str, payload: Message) -> None:
        channel = self.stored.setdefault(payload["channel"], [])
        if method == "chat.postMessage":
            channel.append(payload)
        for message in channel if method == "chat.update" else ():
            if message["ts"] == payload["ts"]:
                message.update(payload)

    def history(self, query: dict[str, str]) -> Message:
        """Messages of a channel outside of threads; metadata only on request."""
        return self._page(query, lambda message: "thread_ts" not in message)

    def replies(self, query: dict[str, str]) -> Message:
        return self._page(query, lambda message: query["ts"] in (message.get("thread_ts"), message["ts"]))

    def user_channels(self, query: dict[str, str]) -> Message:
        """The user's channels of the requested types (docs.slack.dev, users.conversations)."""
        types = query.get("types", "public_channel").split(",")
        matching = [
            channel
            for channel in self.memberships.get(query["user"], ())
            if channel.get("kind", "public_channel") in types
        ]
        start, limit = int(query.get("cursor") or 0), int(query.get("limit", 100))
        metadata = {"next_cursor": str(start + limit) if start + limit < len(matching) else ""}
        return {"channels": matching[start : start + limit], "response_metadata": metadata}

    def _page(self, query: dict[str, str], is_match: Callable[[Message], bool]) -> Message:
        assert query["include_all_metadata"] == "1", "Slack omits metadata without it"
        messages = [
            message
            for message in self.stored.get(query["channel"], ())
            if is_match(message) and float(message["ts"]) >= float(query["oldest"])
        ]
        start = int(query.get("cursor") or 0)
        end = start + int(query["limit"])
        metadata = {"next_cursor": str(end)} if end < len(messages) else {"next_cursor": ""}
        return {"messages": messages[start:end], "response_metadata": metadata}

    async def _response_url(self, request: Request) -> Response:
        use = request.path_params["use"]
        self.response_url_uses[use] = self.response_url_uses.get(use, 0) + 1
        if (failure := self._take_failure("response_url")) is not None:
            return self._error_response(failure, in_json=False)
        if self.response_url_uses[use] > MAX_USES:
            return PlainTextResponse("used_url", 404)
        payload = await request.json()
        if problems := self._problems(payload, "response_url"):
            self.rejected.append(("response_url", problems))
            return PlainTextResponse("invalid_blocks", 400)
        await self._record("response_url", payload)
        return PlainTextResponse("ok")

    def add_file(self, server: str, id: str, content: bytes, **details: Any) -> Message:
        """Add an attached file; returns the object that a message event has."""
        url = f"{server}/files-pri/{id}"
        self.file_contents[id] = content
        self.files[id] = {"id": id, "size": len(content), "url_private": url, "url_private_download": url, **details}
        return {"id": id}

    def file_info(self, query: dict[str, str]) -> Message:
        file = self.files.get(query["file"])
        return {"file": file} if file else {"ok": False, "error": "file_not_found"}

    async def _file(self, request: Request) -> Response:
        """Without the token, Slack redirects to its login page."""
        if (failure := self._take_failure("file")) is not None:
            return TruncatedResponse() if failure == "cut" else self._error_response(failure, in_json=False)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.teams_by_token:
            return PlainTextResponse("", 302, {"Location": "https://slack.example/login"})
        return Response(self.file_contents[request.path_params["id"]], media_type="text/plain")

    async def _upload(self, request: Request) -> Response:
        self.uploads.store(request.path_params["file"], await request.body())
        return PlainTextResponse("OK")

    async def _record(self, method: str, payload: Message) -> None:
        async with self.changed:
            self.sent.append((method, payload))
            self.changed.notify_all()

    def _take_failure(self, method: str) -> int | str | None:
        for index, (failing_method, failure) in enumerate(self.failures):
            if failing_method == method:
                del self.failures[index]
                return failure
        return self.random_failure(method)

    def _error_response(self, failure: int | str, in_json: bool) -> Response:
        if isinstance(failure, int):
            return PlainTextResponse("later", failure, {"Retry-After": str(self.retry_after)})
        if in_json:
            return JSONResponse({"ok": False, "error": failure})
        return PlainTextResponse(failure, 400 if failure.startswith("invalid") else 404)


class TruncatedResponse(Response):
    """The connection is dropped before the response is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"{"})


UPLOAD_METHODS = ("files.getUploadURLExternal", "files.completeUploadExternal")
VIEW_VALIDATORS = {"views.open": form_faults, "views.publish": home_faults}
READ_METHODS = {
    "files.info": FakeSlack.file_info,
    "conversations.history": FakeSlack.history,
    "conversations.replies": FakeSlack.replies,
    "users.conversations": FakeSlack.user_channels,
}
