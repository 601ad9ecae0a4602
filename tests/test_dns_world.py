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
    ("name", "kind", "records", "exists"),
    [
        ("Example.COM.", "TXT", ("v=spf1 -all",), True),
        ("example.com", "A", (), True),
        ("www.example.com", "TXT", ("v=spf1 -all",), True),
        ("deep.example.net", "A", (), True),
        ("nothing.example", "A", (), False),
    ],
)
async def test_the_dict_answers_as_dns_would(name: str, kind: str, records: tuple[str, ...], exists: bool) -> None:
    answer = await WORLD(name, kind)
    assert (answer.records, answer.exists) == (records, exists)


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [("example.com", "MX", "timeout"), ("dead.example", "A", "servfail"), ("x.example", "A", "loop")],
)
async def test_silence_is_not_an_empty_answer(name: str, kind: str, reason: str) -> None:
    with pytest.raises(LookupFailed) as failed:
        await WORLD(name, kind)
    assert failed.value.reason == reason
