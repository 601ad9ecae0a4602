"""The file of providers, and what it recognises."""

from __future__ import annotations

import pytest

from bot.checks.hosting_providers import BadProviders, provider_of, provider_of_network, providers, read_providers

RIGHT = 'name = "Example"\nsuffixes = []\ndefault_names = []\nhow = "Ask."\n'


@pytest.mark.parametrize(
    ("host", "provider", "by_default"),
    [
        ("ec2-203-0-113-5.compute-1.amazonaws.com", "aws", True),
        ("ec2-203-0-113-5.eu-west-1.compute.amazonaws.com", "aws", True),
        ("mail.amazonaws.com", "aws", False),
        ("5.113.0.203.bc.googleusercontent.com", "google-cloud", True),
        ("static.5.113.0.203.clients.your-server.de", "hetzner", True),
        ("ip5.ip-203-0-113.eu", "ovh", True),
        ("vps-1a2b3c4d.vps.ovh.net", "ovh", True),
        ("203-0-113-5.ip.linodeusercontent.com", "linode", True),
        ("li123-45.members.linode.com", "linode", True),
        ("203.0.113.5.vultrusercontent.com", "vultr", True),
        ("vm1.westeurope.cloudapp.azure.com", "azure", True),
        ("mx1.catonetworks.com", "cato", False),
    ],
)
def test_a_provider_is_known_by_the_names_it_gives(host: str, provider: str, by_default: bool) -> None:
    found = provider_of(host)
    assert found is not None
    assert (found.id, found.named_by_default(host)) == (provider, by_default)


@pytest.mark.parametrize("host", ["mail.example.com", "notamazonaws.com", "amazonaws.com.example", ""])
def test_other_names_belong_to_nobody_we_know(host: str) -> None:
    assert provider_of(host) is None


@pytest.mark.parametrize(("asn", "provider"), [(16509, "aws"), (8075, "azure"), (24940, "hetzner"), (13150, "cato")])
def test_a_provider_is_known_by_its_network(asn: int, provider: str) -> None:
    found = provider_of_network(asn)
    assert found is not None
    assert found.id == provider


def test_a_network_belongs_to_one_provider_or_to_nobody_we_know() -> None:
    asns = [asn for provider in providers().values() for asn in provider.asns]
    assert len(asns) == len(set(asns))
    assert provider_of_network(64496) is None


def test_every_provider_says_what_to_do_in_a_sentence() -> None:
    assert {"cato", "aws", "azure", "google-cloud", "oracle", "hetzner", "ovh"} < set(providers())
    assert all(provider.how.endswith(".") for provider in providers().values())
    assert all(provider.port_25.endswith(".") for provider in providers().values() if provider.port_25)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a\n", "providers: "),
        ("a = 1\n", "a: a provider is a table"),
        ("[a]\nname = 'x'\n", "a: missing or unknown key default_names, how, suffixes"),
        (f"[a]\n{RIGHT}extra = 1\n", "a: missing or unknown key extra"),
        ("[a]\n" + RIGHT.replace('"Ask."', "7"), "a.how: a str is wanted"),
        ("[a]\n" + RIGHT.replace("default_names = []", 'default_names = ["("]'), "a.default_names: “(”"),
        (f"[a]\n{RIGHT}asns = 64496\n", "a.asns: a list is wanted"),
        (f"[a]\n{RIGHT}port_25_link = {{ label = 'x' }}\n", "a.port_25_link: "),
        (f"[a]\n{RIGHT}link = {{ label = 'x', url = 'http://example.com' }}\n", "a.link: "),
    ],
)
def test_a_wrong_file_is_refused_by_table_and_key(text: str, complaint: str) -> None:
    with pytest.raises(BadProviders) as error:
        read_providers(text)
    assert str(error.value).startswith(complaint)
