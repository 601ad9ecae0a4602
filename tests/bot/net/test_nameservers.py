import dns.resolver
import pytest

from bot.net.nameservers import Server, system_servers


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (Server("192.0.2.53"), "192.0.2.53"),
        (Server("192.0.2.53", 5353), "192.0.2.53:5353"),
        (Server("2001:db8::53"), "2001:db8::53"),
        (Server("2001:db8::53", 5353), "[2001:db8::53]:5353"),
    ],
)
def test_a_server_reads_as_it_is_written_in_the_settings(server: Server, text: str) -> None:
    assert str(server) == text


def test_a_system_that_names_no_server_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", unread)
    with pytest.raises(ValueError, match="set MAILCHECK_NAMESERVERS to one"):
        system_servers()
