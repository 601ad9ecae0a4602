"""Settings from the environment, read once; every wrong variable is reported at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Set
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple

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


class SlackMode(StrEnum):
    """Transport of Slack events: Socket Mode, HTTP at `/slack/events`, both, or none."""

    NONE = "none"
    SOCKET = "socket"
    HTTP = "http"
    BOTH = "both"


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


def on_or_off(text: object) -> object:
    if text in ("on", "off"):
        return text == "on"
    if isinstance(text, bool):
        return text
    raise ValueError("is `on` or `off`")


def existing_file(text: object) -> object:
    if not isinstance(text, str):
        return text
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("names a file that does not exist")
    return path


def directory(text: object) -> object:
    return Path(text).expanduser().absolute() if isinstance(text, str) else text


def web_address(text: object) -> object:
    if not isinstance(text, str):
        return text
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be a web address that starts with https:// or http://")
    return text.rstrip("/") + "/"


def bot_token(text: object) -> object:
    if isinstance(text, str) and text.startswith("xapp-"):
        raise ValueError("holds an app token (xapp-…); it needs the bot token, which starts with xoxb-")
    return text


def app_token(text: object) -> object:
    if isinstance(text, str) and text.startswith("xoxb-"):
        raise ValueError("holds a bot token (xoxb-…); it needs the app token, which starts with xapp-")
    return text


def env_name(field: str) -> str:
    """Environment variable of a field: `watch_every` is MAILCHECK_WATCH_EVERY."""
    return field.upper() if field.startswith(("redis_", "slack_", "teams_")) else f"MAILCHECK_{field.upper()}"


Duration = Annotated[timedelta, BeforeValidator(duration)]


class Settings(BaseSettings):
    """The operator's settings. Build with `read_settings()`, in tests by field name."""

    # No `env_file`: a stray `.env` in the working directory must not change a check.
    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=env_name),
        validate_by_name=True,
        case_sensitive=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    redis_url: SecretStr | None = None  # it may carry a password
    state_dir: Annotated[Path, BeforeValidator(directory)] = Field(default_factory=lambda: user_state_path("mailcheck"))
    nameservers: Annotated[tuple[HostPort, ...], NoDecode, BeforeValidator(nameserver_list)] = ()  # none: the system's
    blocklists: Annotated[Path | None, BeforeValidator(existing_file)] = None
    spamhaus_dqs_key: SecretStr | None = None
    abusix_key: SecretStr | None = None
    # Keys of lists by the name in their tables, from MAILCHECK_KEY_<NAME>.
    list_keys: Annotated[Mapping[str, SecretStr], NoDecode] = {}
    special_addresses: Annotated[SpecialAddresses, BeforeValidator(refuse_or_allow)] = SpecialAddresses.REFUSE
    probe_smtp: ProbeSmtp = ProbeSmtp.AUTO
    web_password: SecretStr | None = None  # for the page of the bot, where it is not on loopback
    status_page: Annotated[bool, BeforeValidator(on_or_off)] = False  # /status, to be read without a password
    http: Annotated[HostPort, NoDecode, BeforeValidator(listen_address)] = HostPort("127.0.0.1", 3000)
    metrics: Annotated[HostPort | None, NoDecode, BeforeValidator(listen_address)] = None
    public_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(host_names)] = ()

    watch_every: Duration = timedelta(hours=1)
    confirm_after: Duration = timedelta(seconds=90)
    clear_after: Duration = timedelta(minutes=30)
    group_for: Duration = timedelta(seconds=60)
    remind_after: Duration = timedelta(hours=24)

    slack_bot_token: Annotated[SecretStr | None, BeforeValidator(bot_token)] = None
    slack_app_token: Annotated[SecretStr | None, BeforeValidator(app_token)] = None
    slack_signing_secret: SecretStr | None = None
    slack_client_id: str | None = None
    slack_client_secret: SecretStr | None = None
    slack_api_url: Annotated[str, BeforeValidator(web_address)] = "https://slack.com/api/"

    teams_client_id: str | None = None
    teams_client_secret: SecretStr | None = None
    teams_tenant_id: str | None = None

    @property
    def slack_mode(self) -> SlackMode:
        modes = {
            (False, False): SlackMode.NONE,
            (True, False): SlackMode.SOCKET,
            (False, True): SlackMode.HTTP,
            (True, True): SlackMode.BOTH,
        }
        return modes[self.slack_app_token is not None, self.slack_signing_secret is not None]

    @property
    def serves_teams(self) -> bool:
        return self.teams_client_id is not None

    @model_validator(mode="before")
    @classmethod
    def _an_empty_variable_is_unset(cls, data: dict[str, Any]) -> dict[str, Any]:
        trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}
        return {name: value for name, value in trimmed.items() if value != ""}


# A variable, the variables of which one must also be set, and the error where none is.
REQUIRED_TOGETHER = (
    (
        "SLACK_APP_TOKEN",
        ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"),
        "SLACK_APP_TOKEN needs SLACK_BOT_TOKEN beside it: the app token only opens the connection,"
        " the bot token speaks.",
    ),
    (
        "SLACK_SIGNING_SECRET",
        ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"),
        "SLACK_SIGNING_SECRET needs SLACK_BOT_TOKEN beside it: the secret only proves requests, the bot token speaks.",
    ),
    (
        "SLACK_BOT_TOKEN",
        ("SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        ("SLACK_BOT_TOKEN needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP) beside it."),
    ),
    ("SLACK_CLIENT_ID", ("SLACK_CLIENT_SECRET",), "SLACK_CLIENT_ID needs SLACK_CLIENT_SECRET beside it."),
    ("SLACK_CLIENT_SECRET", ("SLACK_CLIENT_ID",), "SLACK_CLIENT_SECRET needs SLACK_CLIENT_ID beside it."),
    (
        "SLACK_CLIENT_ID",
        ("SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        "SLACK_CLIENT_ID needs SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode) beside it.",
    ),
    ("TEAMS_CLIENT_ID", ("TEAMS_CLIENT_SECRET",), "TEAMS_CLIENT_ID needs TEAMS_CLIENT_SECRET beside it."),
    ("TEAMS_CLIENT_SECRET", ("TEAMS_CLIENT_ID",), "TEAMS_CLIENT_SECRET needs TEAMS_CLIENT_ID beside it."),
    ("TEAMS_TENANT_ID", ("TEAMS_CLIENT_ID",), "TEAMS_TENANT_ID needs TEAMS_CLIENT_ID beside it."),
)


def missing_counterparts(present: Set[str]) -> list[str]:
    """One sentence per credential that is set without its counterpart."""
    return [error for name, partners, error in REQUIRED_TOGETHER if name in present and present.isdisjoint(partners)]


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


def read_settings() -> Settings:
    """Read the settings. Raises SettingsError with every fault and no values in it."""
    problems = missing_counterparts(
        {name for name in map(env_name, Settings.model_fields) if os.environ.get(name, "").strip()}
    )
    list_keys, wrong_keys = read_list_keys(os.environ)
    problems += wrong_keys
    try:
        settings = Settings(list_keys=list_keys)
    except ValidationError as invalid:
        problems = [
            f"{error['loc'][0]} {error['msg'].removeprefix('Value error, ')}." for error in invalid.errors()
        ] + problems
    if problems:
        raise SettingsError(problems)
    return settings
