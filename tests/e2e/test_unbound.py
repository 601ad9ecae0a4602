"""DNS client behind a real unbound: rebinding protection and dead upstreams.

Needs the `unbound` program (Debian: `apt-get install unbound`).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_client import DnsClient
from bot.net.nameservers import Server
from tests.support.dns_server import serve
from tests.support.unused_port import unused_port

PROGRAM = shutil.which("unbound") or shutil.which("unbound", path="/usr/sbin:/usr/local/sbin")
assert PROGRAM, "These tests need the program unbound; tests/e2e/run installs it."

ZONE = {
    "2.0.0.127.list.example": {"A": ["127.0.0.2"], "TXT": ["listed"]},
    "mail.example": {"A": ["192.0.2.25"], "MX": ["10 mail.example"]},
    "www.example": {"CNAME": ["mail.example"]},
    "long.example": {"TXT": ["v=spf1 " + "ip4:192.0.2.1 " * 200 + "-all"]},
}
FAULTS = {"dead.example": "silence", "broken.example": "servfail", "shut.example": "refused"}
UNBOUND_CONFIG = """
server:
  interface: 127.0.0.1@{port}
  do-ip6: no
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  logfile: "unbound.log"
  module-config: "iterator"
  do-not-query-localhost: no
  outbound-msg-retry: 1
  infra-cache-max-rtt: 1000
  {protection}
forward-zone:
  name: "example."
  forward-addr: {upstream_host}@{upstream_port}
remote-control:
  control-enable: no
"""
PROTECTED = "private-address: 127.0.0.0/8"


@asynccontextmanager
async def unbound(directory: Path, protection: str, faults: Mapping[str, str] = FAULTS) -> AsyncIterator[DnsClient]:
    """A client of a fresh unbound, which forwards `example` to the test server."""
    assert PROGRAM
    async with serve(ZONE, faults=faults) as upstream:
        port = unused_port()
        settings = directory / "unbound.conf"
        settings.write_text(
            UNBOUND_CONFIG.format(
                port=port,
                directory=directory,
                protection=protection,
                upstream_host=upstream.host,
                upstream_port=upstream.port,
            )
        )
        process = await asyncio.create_subprocess_exec(PROGRAM, "-d", "-c", str(settings))
        try:
            async with DnsClient([Server("127.0.0.1", port)]) as transport:
                await _wait_until_ready(transport)
                yield transport
        finally:
            process.terminate()
            await process.wait()


async def _wait_until_ready(transport: DnsClient) -> None:
    for _ in range(10):
        try:
            await transport.query("mail.example", "MX", timeout_s=1.0)
        except LookupFailed:
            continue
        return
    raise AssertionError("unbound did not come up")


async def test_unprotected_resolver_returns_listing(tmp_path: Path) -> None:
    async with unbound(tmp_path, protection="") as transport:
        assert (await transport.query("2.0.0.127.list.example", "A")).records == ("127.0.0.2",)
        assert await transport.query("3.0.0.127.list.example", "A") == DnsAnswer(
            "3.0.0.127.list.example", "A", exists=False, ttl=300
        )


async def test_stripped_listing_is_nodata_not_nxdomain(tmp_path: Path) -> None:
    async with unbound(tmp_path, PROTECTED) as transport:
        stripped = await transport.query("2.0.0.127.list.example", "A")
        assert (stripped.exists, stripped.records) == (True, ())
        assert (await transport.query("2.0.0.127.list.example", "TXT")).records == ("listed",)
        assert not (await transport.query("3.0.0.127.list.example", "A")).exists


@pytest.mark.parametrize("name", ["n.dead.example", "n.broken.example", "n.shut.example"])
async def test_upstream_faults_arrive_as_servfail(tmp_path: Path, name: str) -> None:
    async with unbound(tmp_path, PROTECTED) as transport:
        with pytest.raises(LookupFailed) as failed:
            await transport.query(name, "A", timeout_s=20.0)
    assert failed.value.reason == "servfail"


async def test_cname_and_long_txt_are_resolved(tmp_path: Path) -> None:
    async with unbound(tmp_path, PROTECTED) as transport:
        assert (await transport.query("www.example", "A")).records == ("192.0.2.25",)
        assert (await transport.query("long.example", "TXT")).records == tuple(ZONE["long.example"]["TXT"])
