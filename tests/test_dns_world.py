import pytest

from bot.models import LookupFailed
from tests.support.dns_world import World

WORLD = World(
    {
        "example.com": {"TXT": ["v=spf1 -all"], "MX": "timeout"},
        "www.example.com": {"CNAME": ["example.com"]},
        "a.deep.example.net": {"A": ["192.0.2.1"]},
        "dead.example": {"*": "servfail"},
        "x.example": {"CNAME": ["x.example"]},
    }
)


@pytest.mark.parametrize(
    ("name", "rdtype", "records", "exists"),
    [
        ("Example.COM.", "TXT", ("v=spf1 -all",), True),
        ("example.com", "A", (), True),
        ("www.example.com", "TXT", ("v=spf1 -all",), True),
        ("deep.example.net", "A", (), True),
        ("nothing.example", "A", (), False),
    ],
)
async def test_dict_answers_like_dns(name: str, rdtype: str, records: tuple[str, ...], exists: bool) -> None:
    answer = await WORLD(name, rdtype)
    assert (answer.records, answer.exists) == (records, exists)


@pytest.mark.parametrize(
    ("name", "rdtype", "reason"),
    [("example.com", "MX", "timeout"), ("dead.example", "A", "servfail"), ("x.example", "A", "loop")],
)
async def test_failure_word_raises_lookup_failed(name: str, rdtype: str, reason: str) -> None:
    with pytest.raises(LookupFailed) as error:
        await WORLD(name, rdtype)
    assert error.value.reason == reason
