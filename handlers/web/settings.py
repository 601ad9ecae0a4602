"""The operator's settings of the HTTP server and of the pages of the bot."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from bot.settings import EnvironmentSettings, HostPort, is_port, split_port

HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def listen_address(text: object) -> object:
    if not isinstance(text, str):
        return text
    host, port = split_port(text)
    if not host or not is_port(port):
        raise ValueError("must be host:port, for example 127.0.0.1:3000")
    return HostPort(host, int(port))


def host_names(text: object) -> object:
    """Comma-separated names or addresses, in lower case."""
    if not isinstance(text, str):
        return text
    names = [part.strip().lower().removesuffix(".") for part in text.split(",") if part.strip()]
    if not all(is_host_name(name) for name in names):
        raise ValueError("must be host names with commas between them, for example bot.example.com")
    return tuple(names)


def is_host_name(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return len(name) <= 253 and all(HOST_LABEL.fullmatch(part) for part in name.split("."))


def on_or_off(text: object) -> object:
    if text in ("on", "off"):
        return text == "on"
    if isinstance(text, bool):
        return text
    raise ValueError("is `on` or `off`")


class WebSettings(EnvironmentSettings):
    """Where to listen, under which names, and who may read the pages."""

    web_password: SecretStr | None = None  # for the page of the bot, where it is not on loopback
    status_page: Annotated[bool, BeforeValidator(on_or_off)] = False  # /status, to be read without a password
    http: Annotated[HostPort, NoDecode, BeforeValidator(listen_address)] = HostPort("127.0.0.1", 3000)
    metrics: Annotated[HostPort | None, NoDecode, BeforeValidator(listen_address)] = None
    public_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(host_names)] = ()
