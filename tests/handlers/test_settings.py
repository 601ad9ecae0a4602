from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.settings import EnvironmentSettings, HostPort, Settings, SettingsError, secret_text
from handlers.settings import ServiceSettings, read_settings
from handlers.slack.settings import SlackSettings
from handlers.teams.settings import TeamsSettings
from handlers.web.settings import WebSettings

BOT, APP, SIGNING = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"
PARTS: tuple[type[EnvironmentSettings], ...] = (Settings, WebSettings, SlackSettings, TeamsSettings)
FIELDS = {str(field.validation_alias): field for part in PARTS for field in part.model_fields.values()}
VARIABLES = {name: field for name, field in FIELDS.items() if name != "list_keys"}  # from MAILCHECK_KEY_<NAME>
TOKENS = {BOT: "xoxb-1-secret", APP: "xapp-1-secret", SIGNING: "signing-secret"}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> ServiceSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_empty_environment_gives_documented_defaults() -> None:
    service = read_settings()
    settings = service.core
    assert settings.redis_url is None
    assert settings.state_dir.name == "mailcheck"
    assert settings.nameservers == ()
    assert str(service.web.http) == "127.0.0.1:3000"
    assert settings.special_addresses == "refuse"
    assert SlackSettings().api_url == "https://slack.com/api/"
    assert (service.slack, service.teams, service.platforms) == (None, None, [])
    durations = (settings.watch_every, settings.confirm_after, settings.clear_after)
    assert [length.total_seconds() for length in durations] == [3600, 90, 1800]
    assert (settings.group_for, settings.remind_after) == (timedelta(seconds=60), timedelta(hours=24))


ADDITIONAL = (  # not in the specification
    "MAILCHECK_PROBE_SMTP",
    "MAILCHECK_WEB_PASSWORD",
    "MAILCHECK_STATUS_PAGE",
    "MAILCHECK_METRICS",
    "MAILCHECK_PUBLIC_HOSTS",
)


def test_every_specified_variable_is_read() -> None:
    assert set(VARIABLES) == {
        *("REDIS_URL", "MAILCHECK_STATE_DIR", "MAILCHECK_NAMESERVERS", "MAILCHECK_BLOCKLISTS"),
        *("MAILCHECK_HTTP", "MAILCHECK_SPAMHAUS_DQS_KEY", "MAILCHECK_ABUSIX_KEY"),
        *("MAILCHECK_SPECIAL_ADDRESSES", "MAILCHECK_WATCH_EVERY", "MAILCHECK_CONFIRM_AFTER"),
        *("MAILCHECK_CLEAR_AFTER", "MAILCHECK_GROUP_FOR", "MAILCHECK_REMIND_AFTER"),
        *("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        *("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_API_URL"),
        *("TEAMS_CLIENT_ID", "TEAMS_CLIENT_SECRET", "TEAMS_TENANT_ID"),
        *ADDITIONAL,
    }


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("2H", 7200), ("1d", 86400)]
)
def test_duration_is_seconds_or_number_with_unit(monkeypatch: pytest.MonkeyPatch, text: str, seconds: int) -> None:
    settings = read(monkeypatch, {"MAILCHECK_WATCH_EVERY": text})
    assert settings.core.watch_every.total_seconds() == seconds


def test_nameservers_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"MAILCHECK_NAMESERVERS": "192.0.2.53, [2001:db8::1]:54,"})
    assert settings.core.nameservers == (HostPort("192.0.2.53", 53), HostPort("2001:db8::1", 54))


def test_public_hosts_are_read_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "Bot.Example.com, status.example., 192.0.2.1,"
    settings = read(monkeypatch, {"MAILCHECK_PUBLIC_HOSTS": names})
    assert settings.web.public_hosts == ("bot.example.com", "status.example", "192.0.2.1")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MAILCHECK_HTTP", "3000", "must be host:port"),
        ("MAILCHECK_HTTP", "localhost:http", "must be host:port"),
        ("MAILCHECK_HTTP", "127.0.0.1:65536", "must be host:port"),
        ("MAILCHECK_METRICS", "9464", "must be host:port"),
        ("MAILCHECK_PUBLIC_HOSTS", "https://bot.example", "must be host names"),
        ("MAILCHECK_PUBLIC_HOSTS", "bot.example:443", "must be host names"),
        ("MAILCHECK_PUBLIC_HOSTS", "bot.example, *.example", "must be host names"),
        ("MAILCHECK_NAMESERVERS", "resolver.example", "must be addresses"),
        ("MAILCHECK_NAMESERVERS", "192.0.2.53:0", "must be addresses"),
        ("MAILCHECK_WATCH_EVERY", "soon", "must be a length of time"),
        ("MAILCHECK_REMIND_AFTER", "0", "must be a length of time"),
        ("MAILCHECK_SPECIAL_ADDRESSES", "yes", "must be refuse or allow"),
        ("MAILCHECK_BLOCKLISTS", "/nonexistent/lists.toml", "names a file that does not exist"),
        ("SLACK_API_URL", "slack.example", "must be a web address"),
    ],
)
def test_invalid_variable_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError) as error:
        read(monkeypatch, {name: value})
    (problem,) = error.value.problems
    assert problem.startswith(f"{name} {message}")
    assert problem.endswith(".")
    assert "\n" not in problem


def test_all_invalid_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as error:
        read(monkeypatch, {"MAILCHECK_HTTP": "x", "MAILCHECK_GROUP_FOR": "x", APP: TOKENS[APP]})
    names = [problem.split()[0] for problem in error.value.problems]
    assert names == ["MAILCHECK_GROUP_FOR", "MAILCHECK_HTTP", APP]


@pytest.mark.parametrize(
    ("environment", "platforms"),
    [
        ({BOT: TOKENS[BOT], APP: TOKENS[APP]}, ["Slack"]),
        ({BOT: TOKENS[BOT], SIGNING: "s"}, ["Slack"]),
        ({"SLACK_CLIENT_ID": "1", "SLACK_CLIENT_SECRET": "s", SIGNING: "s"}, ["Slack"]),
        ({"TEAMS_CLIENT_ID": "1", "TEAMS_CLIENT_SECRET": "s"}, ["Teams"]),
        ({"SLACK_API_URL": "https://slack.example"}, []),
    ],
)
def test_platform_with_credentials_is_configured(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], platforms: list[str]
) -> None:
    assert read(monkeypatch, environment).platforms == platforms


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({APP: "xapp-1"}, BOT),
        ({SIGNING: "s"}, BOT),
        ({BOT: "xoxb-1"}, APP),
        ({"SLACK_CLIENT_ID": "1", SIGNING: "s"}, "SLACK_CLIENT_SECRET"),
        ({"SLACK_CLIENT_SECRET": "1"}, "SLACK_CLIENT_ID"),
        ({"TEAMS_CLIENT_ID": "1"}, "TEAMS_CLIENT_SECRET"),
        ({"TEAMS_TENANT_ID": "1"}, "TEAMS_CLIENT_ID"),
    ],
)
def test_incomplete_credentials_name_the_missing_variable(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError) as error:
        read(monkeypatch, environment)
    assert any(missing in problem for problem in error.value.problems)


@pytest.mark.parametrize("swapped", [{BOT: TOKENS[APP], APP: TOKENS[BOT]}])
def test_swapped_slack_tokens_are_detected(monkeypatch: pytest.MonkeyPatch, swapped: Mapping[str, str]) -> None:
    with pytest.raises(SettingsError) as error:
        read(monkeypatch, swapped)
    starts = [problem.split()[:3] for problem in error.value.problems]
    assert starts == [[BOT, "holds", "an"], [APP, "holds", "a"]]


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {BOT: "", APP: " ", "MAILCHECK_HTTP": "", "REDIS_URL": "\n"})
    assert settings.slack is None
    assert settings.core.redis_url is None
    assert settings.web.http.port == 3000


def test_token_with_newline_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {BOT: "xoxb-1\n", SIGNING: " s "})
    assert settings.slack
    assert secret_text(settings.slack.bot_token) == "xoxb-1"


def test_env_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAILCHECK_HTTP=192.0.2.1:1\n")
    monkeypatch.chdir(tmp_path)
    assert read_settings().web.http == HostPort("127.0.0.1", 3000)


def test_settings_and_errors_show_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, field in VARIABLES.items() if "Secret" in str(field)]
    assert {"REDIS_URL", "MAILCHECK_ABUSIX_KEY", "TEAMS_CLIENT_SECRET", *TOKENS} <= set(names)
    environment = dict.fromkeys(names, "hush-1") | {"SLACK_CLIENT_ID": "1", "TEAMS_CLIENT_ID": "2"}
    assert "hush-1" not in repr(read(monkeypatch, environment))
    with pytest.raises(SettingsError) as error:
        read(monkeypatch, {BOT: "xapp-hush-1"})
    assert "hush-1" not in str(error.value)


def test_settings_are_frozen() -> None:
    for part in PARTS:
        with pytest.raises(ValidationError):
            setattr(part(), next(iter(part.model_fields)), "x")


def test_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"MAILCHECK_STATE_DIR": "~/state"})
    assert settings.core.state_dir == Path(os.path.expanduser("~/state"))


def test_list_keys_are_named_by_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"MAILCHECK_KEY_OWN_LIST": " k3y ", "MAILCHECK_KEY_EMPTY": "", "MAILCHECK_KEY": "no"})
    assert {name: key.get_secret_value() for name, key in settings.core.list_keys.items()} == {"own-list": "k3y"}
    assert "k3y" not in repr(settings)


@pytest.mark.parametrize("key", ["two words", "a..b", "x" * 64, "-a", "päss", "a/b"])
def test_list_key_that_is_no_dns_label_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(monkeypatch, {"MAILCHECK_KEY_OWN_LIST": key})
    assert error.value.problems == ("MAILCHECK_KEY_OWN_LIST must be letters, digits and hyphens: a part of DNS names.",)
