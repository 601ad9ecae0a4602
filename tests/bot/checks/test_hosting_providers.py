"""Hosting providers: the TOML data, and recognition by name and AS number."""

from __future__ import annotations

import tomllib

import pytest

from bot.checks.hosting_providers import parse_providers, provider_of, provider_of_network, providers
from bot.inputs.toml_tables import DataFileError

VALID = 'name = "Example"\nsuffixes = []\ndefault_names = []\nhow = "Ask."\n'


@pytest.mark.parametrize(
    ("host", "provider", "is_default"),
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
def test_provider_of_known_reverse_name_is_found(host: str, provider: str, is_default: bool) -> None:
    match = provider_of(host)
    assert match is not None
    assert (match.id, match.is_default_name(host)) == (provider, is_default)


@pytest.mark.parametrize("host", ["mail.example.com", "notamazonaws.com", "amazonaws.com.example", ""])
def test_provider_of_other_name_is_none(host: str) -> None:
    assert provider_of(host) is None


@pytest.mark.parametrize(("asn", "provider"), [(16509, "aws"), (8075, "azure"), (24940, "hetzner"), (13150, "cato")])
def test_provider_of_network_known_asn_is_found(asn: int, provider: str) -> None:
    match = provider_of_network(asn)
    assert match is not None
    assert match.id == provider


def test_provider_of_network_asns_are_unique() -> None:
    asns = [asn for provider in providers().values() for asn in provider.asns]
    assert len(asns) == len(set(asns))
    assert provider_of_network(64496) is None


def test_providers_texts_are_sentences() -> None:
    assert {"cato", "aws", "azure", "google-cloud", "oracle", "hetzner", "ovh"} < set(providers())
    assert all(provider.rdns_steps.endswith(".") for provider in providers().values())
    assert all(provider.port_25.endswith(".") for provider in providers().values() if provider.port_25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1", "the providers: a must be a table, not 1."),
        ("[a]\nname = 'x'", "a: suffixes is missing."),
        (f"[a]\n{VALID}extra = 1", "a: extra is not a key of this table."),
        ("[a]\n" + VALID.replace('"Ask."', "7"), "a: how must be text in quotation marks, not 7."),
        (
            "[a]\n" + VALID.replace("default_names = []", 'default_names = ["("]'),
            'a: default_names has "(", which is not a regular expression: ',
        ),
        (f"[a]\n{VALID}asns = 64496", "a: asns must be a list in square brackets, "),
        (f"[a]\n{VALID}asns = ['AS64496']", 'a: asns must be a whole number, not "AS64496".'),
        (f"[a]\n{VALID}port_25_link = {{ label = 'x' }}", "a, port_25_link: url is missing."),
        (f"[a]\n{VALID}link = {{ label = 'x', url = 'example.com' }}", "a, link: url must start with https://"),
    ],
)
def test_parse_providers_bad_toml_names_table_and_key(text: str, message: str) -> None:
    with pytest.raises(DataFileError) as error:
        parse_providers(tomllib.loads(text))
    assert str(error.value).startswith(message)
