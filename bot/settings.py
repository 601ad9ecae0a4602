"""Settings from the environment: those of the core, and how every part of the program reads its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from platformdirs import user_state_path
from pydantic import AliasGenerator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.inputs.durations import BadDuration, parse_duration

LIST_KEY_PREFIX = "MAILCHECK_KEY_"
HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class SettingsError(Exception):
    """The environment is not usable; `problems` holds one sentence per fault."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class HostPort(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SpecialAddresses(StrEnum):
    """Whether checks of special-purpose addresses (documentation, private …) are allowed."""

    REFUSE = "refuse"
    ALLOW = "allow"


class ProbeSmtp(StrEnum):
    """Whether a domain's mail servers are probed: briefly, with the full timeout, or never."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def duration(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return parse_duration(text, default_unit="s")
    except BadDuration:
        raise ValueError("must be a length of time such as 90, 90s, 15m or 1h") from None


def split_port(text: str) -> tuple[str, str]:
    """`host:port`, `[2001:db8::1]:port` or a bare host; the port is empty where none is written."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535


def nameserver(text: str) -> HostPort:
    host, port = split_port(text.strip())
    port = port or "53"
    try:
        address = str(ip_address(host))
    except ValueError:
        address = ""
    if not address or not is_port(port) or int(port) == 0:
        raise ValueError("must be addresses with commas between them, for example 192.0.2.53,192.0.2.54:5353")
    return HostPort(address, int(port))


def nameserver_list(text: object) -> object:
    return tuple(nameserver(part) for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def refuse_or_allow(text: object) -> object:
    if text not in tuple(SpecialAddresses):
        raise ValueError("must be refuse or allow")
    return text


def existing_file(text: object) -> object:
    if not isinstance(text, str):
        return text
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("names a file that does not exist")
    return path


def directory(text: object) -> object:
    return Path(text).expanduser().absolute() if isinstance(text, str) else text


def secret_text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def environment_names(prefix: str) -> AliasGenerator:
    """Environment variables of fields: with MAILCHECK_, `watch_every` is MAILCHECK_WATCH_EVERY."""
    return AliasGenerator(validation_alias=lambda field: f"{prefix}{field.upper()}")


Duration = Annotated[timedelta, BeforeValidator(duration)]


class EnvironmentSettings(BaseSettings):
    """One group of settings; each part of the program declares its own. Build with `read`, in tests by field name."""

    # No `env_file`: a stray `.env` in the working directory must not change a check.
    model_config = SettingsConfigDict(
        alias_generator=environment_names("MAILCHECK_"),
        validate_by_name=True,
        case_sensitive=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _an_empty_variable_is_unset(cls, data: dict[str, Any]) -> dict[str, Any]:
        trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}
        return {name: value for name, value in trimmed.items() if value != ""}


class Settings(EnvironmentSettings):
    """The operator's settings of the core."""

    redis_url: Annotated[SecretStr | None, Field(validation_alias="REDIS_URL")] = None  # it may carry a password
    state_dir: Annotated[Path, BeforeValidator(directory)] = Field(default_factory=lambda: user_state_path("mailcheck"))
    nameservers: Annotated[tuple[HostPort, ...], NoDecode, BeforeValidator(nameserver_list)] = ()  # none: the system's
    blocklists: Annotated[Path | None, BeforeValidator(existing_file)] = None
    spamhaus_dqs_key: SecretStr | None = None
    abusix_key: SecretStr | None = None
    # Keys of lists by the name in their tables, from MAILCHECK_KEY_<NAME>.
    list_keys: Annotated[Mapping[str, SecretStr], Field(validation_alias="list_keys"), NoDecode] = {}
    special_addresses: Annotated[SpecialAddresses, BeforeValidator(refuse_or_allow)] = SpecialAddresses.REFUSE
    probe_smtp: ProbeSmtp = ProbeSmtp.AUTO

    watch_every: Duration = timedelta(hours=1)
    confirm_after: Duration = timedelta(seconds=90)
    clear_after: Duration = timedelta(minutes=30)
    group_for: Duration = timedelta(seconds=60)
    remind_after: Duration = timedelta(hours=24)


SettingsT = TypeVar("SettingsT", bound=EnvironmentSettings)


def read_list_keys(environment: Mapping[str, str]) -> tuple[dict[str, SecretStr], list[str]]:
    """Keys of lists by name, and one sentence per key that cannot be part of a DNS name."""
    keys = {
        name.removeprefix(LIST_KEY_PREFIX).lower().replace("_", "-"): value.strip()
        for name, value in environment.items()
        if name.startswith(LIST_KEY_PREFIX) and value.strip()
    }
    problems = [
        f"{LIST_KEY_PREFIX}{name.upper().replace('-', '_')} must be letters, digits and hyphens: a part of DNS names."
        for name, key in keys.items()
        if not is_dns_label_text(key)
    ]
    return {name: SecretStr(key) for name, key in keys.items()}, problems


def is_dns_label_text(key: str) -> bool:
    return all(HOST_LABEL.fullmatch(part.lower()) for part in key.split("."))


def read(kind: type[SettingsT], problems: list[str]) -> SettingsT | None:
    """Read one group. Its faults are added to `problems`, without their values, one sentence each."""
    try:
        return kind()
    except ValidationError as invalid:
        problems += [f"{error['loc'][0]} {error['msg'].removeprefix('Value error, ')}." for error in invalid.errors()]
        return None


# A variable, the variables of which one must also be set, and the error where none is.
Counterparts = tuple[str, tuple[str, ...], str]


def missing_counterparts(rows: Iterable[Counterparts]) -> list[str]:
    """One sentence per variable that is set without its counterpart."""
    present = {name for name, value in os.environ.items() if value.strip()}
    return [error for name, partners, error in rows if name in present and present.isdisjoint(partners)]
