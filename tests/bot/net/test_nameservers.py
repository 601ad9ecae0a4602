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
def test_server_text_has_settings_format(server: Server, text: str) -> None:
    assert str(server) == text


def test_host_without_name_servers_raises_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", raise_error)
    with pytest.raises(ValueError, match="set MAILCHECK_NAMESERVERS to one"):
        system_servers()
