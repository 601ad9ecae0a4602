"""Signed activities with missing parts and wrong types are refused or handled, never a 500."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.handlers.slack.test_payload_shape import corrupted
from tests.handlers.teams.conftest import Tenant
from tests.support.fake_microsoft import token
from tests.support.teams_activities import card_action, in_channel, mention, message

FILE = {
    "contentType": "application/vnd.microsoft.teams.file.download.info",
    "content": {"downloadUrl": "https://example.sharepoint.com/x", "fileType": "log"},
}


def samples(service: str) -> dict[str, dict[str, Any]]:
    button = {"verb": "run", "data": {"command": "check 203.0.113.5"}}
    return {
        "message": message("check 203.0.113.5", service, attachments=[FILE]),
        "mention": mention("check 203.0.113.5", service, **in_channel("1")),
        "button": card_action(button, service, "1", **in_channel("1")),
        "arrival": message("", service, **in_channel()) | {"type": "installationUpdate", "action": "add"},
    }


async def send(tenant: Tenant, body: bytes | str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token(tenant.claims())}"}
    return await tenant.http.post("/api/messages", content=body, headers=headers)


@pytest.mark.parametrize("kind", ["message", "mention", "button", "arrival"])
async def test_corrupted_signed_activity_is_never_an_error(kind: str, tenant: Tenant) -> None:
    statuses = set()
    with capture_logs() as logs:
        for body in corrupted(samples(tenant.service)[kind])[::3]:
            statuses.add((await send(tenant, json.dumps(body))).status_code)
    assert statuses <= {200, 400, 401, 403, 501}
    assert [line for line in logs if line["log_level"] == "error"] == []


@pytest.mark.parametrize("body", [b"[" * 60_000, b"[]", b"5", b'"text"', b"null", b"{half", b"\xff"])
async def test_signed_body_that_is_no_activity_is_refused(body: bytes, tenant: Tenant) -> None:
    assert (await send(tenant, body)).status_code == 400


async def test_signed_activity_with_unencodable_id_is_refused(tenant: Tenant) -> None:
    body = message("check 203.0.113.5", tenant.service)
    body["conversation"] |= {"id": "\ud800"}
    assert (await send(tenant, json.dumps(body))).status_code == 400
