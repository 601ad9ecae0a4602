from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.settings import HostPort, Settings, SettingsError, SlackMode, duration, nameserver, read_settings, variable

BOT, APP, SIGNING = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"
TOKENS = {BOT: "xoxb-1-secret", APP: "xapp-1-secret", SIGNING: "signing-secret"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


def read(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_a_bare_environment_gives_the_documented_defaults() -> None:
    settings = read_settings()
    assert settings.redis_url is None
    assert settings.state_dir.name == "mailcheck"
    assert settings.nameservers == ()
    assert str(settings.http) == "127.0.0.1:3000"
    assert settings.special_addresses == "refuse"
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.slack_mode is SlackMode.NONE
    assert not settings.serves_teams
    durations = [getattr(settings, name).total_seconds() for name in ("watch_every", "confirm_after", "clear_after")]
    assert durations == [3600, 90, 1800]
    assert (settings.group_for, settings.remind_after) == (timedelta(seconds=60), timedelta(hours=24))


OURS = ("MAILCHECK_PROBE_SMTP", "MAILCHECK_WEB_PASSWORD", "MAILCHECK_STATUS_PAGE")  # beyond the contract


def test_every_name_of_the_contract_is_read() -> None:
    assert {variable(field) for field in Settings.model_fields} == {
        *("REDIS_URL", "MAILCHECK_STATE_DIR", "MAILCHECK_NAMESERVERS", "MAILCHECK_BLOCKLISTS", "MAILCHECK_HTTP"),
        *("MAILCHECK_SPAMHAUS_DQS_KEY", "MAILCHECK_ABUSIX_KEY", "MAILCHECK_SPECIAL_ADDRESSES"),
        *("MAILCHECK_WATCH_EVERY", "MAILCHECK_CONFIRM_AFTER", "MAILCHECK_CLEAR_AFTER", "MAILCHECK_GROUP_FOR"),
        *("MAILCHECK_REMIND_AFTER", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        *("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_API_URL"),
        *("TEAMS_CLIENT_ID", "TEAMS_CLIENT_SECRET", "TEAMS_TENANT_ID"),
        *OURS,
    }


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("2H", 7200), ("1d", 86400)]
)
def test_a_duration_is_seconds_or_a_number_with_its_unit(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: int
) -> None:
    assert read(monkeypatch, {"MAILCHECK_WATCH_EVERY": text}).watch_every.total_seconds() == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.53", HostPort("192.0.2.53", 53)),
        ("192.0.2.53:5353", HostPort("192.0.2.53", 5353)),
        ("2001:db8::53", HostPort("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", HostPort("2001:db8::53", 5353)),
    ],
)
def test_a_nameserver_is_an_address_with_or_without_a_port(text: str, expected: HostPort) -> None:
    assert nameserver(text) == expected


def test_nameservers_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"MAILCHECK_NAMESERVERS": "192.0.2.53, [2001:db8::1]:54,"})
    assert settings.nameservers == (HostPort("192.0.2.53", 53), HostPort("2001:db8::1", 54))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MAILCHECK_HTTP", "3000", "must be host:port"),
        ("MAILCHECK_HTTP", "localhost:http", "must be host:port"),
        ("MAILCHECK_HTTP", "127.0.0.1:65536", "must be host:port"),
        ("MAILCHECK_NAMESERVERS", "resolver.example", "must be addresses"),
        ("MAILCHECK_NAMESERVERS", "192.0.2.53:0", "must be addresses"),
        ("MAILCHECK_WATCH_EVERY", "soon", "must be a length of time"),
        ("MAILCHECK_REMIND_AFTER", "0", "must be a length of time"),
        ("MAILCHECK_SPECIAL_ADDRESSES", "yes", "must be refuse or allow"),
        ("MAILCHECK_BLOCKLISTS", "/nonexistent/lists.toml", "names a file that does not exist"),
        ("SLACK_API_URL", "slack.example", "must be a web address"),
    ],
)
def test_a_wrong_variable_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError) as wrong:
        read(monkeypatch, {name: value})
    (problem,) = wrong.value.problems
    assert problem.startswith(f"{name} {says}")
    assert problem.endswith(".")
    assert "\n" not in problem


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as wrong:
        read(monkeypatch, {"MAILCHECK_HTTP": "x", "MAILCHECK_GROUP_FOR": "x", APP: TOKENS[APP]})
    assert [problem.split()[0] for problem in wrong.value.problems] == ["MAILCHECK_HTTP", "MAILCHECK_GROUP_FOR", APP]


@pytest.mark.parametrize(
    ("given_names", "mode"),
    [({BOT, APP}, SlackMode.SOCKET), ({BOT, SIGNING}, SlackMode.HTTP), ({BOT, APP, SIGNING}, SlackMode.BOTH)],
)
def test_the_credentials_decide_how_slack_is_served(
    monkeypatch: pytest.MonkeyPatch, given_names: set[str], mode: SlackMode
) -> None:
    assert read(monkeypatch, {name: TOKENS[name] for name in given_names}).slack_mode is mode


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
def test_half_a_set_of_credentials_names_the_other_half(
    monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError) as wrong:
        read(monkeypatch, environment)
    assert any(missing in problem for problem in wrong.value.problems)


@pytest.mark.parametrize("swapped", [{BOT: TOKENS[APP], APP: TOKENS[BOT]}])
def test_swapped_slack_tokens_are_told_apart(monkeypatch: pytest.MonkeyPatch, swapped: Mapping[str, str]) -> None:
    with pytest.raises(SettingsError) as wrong:
        read(monkeypatch, swapped)
    assert [problem.split()[:3] for problem in wrong.value.problems] == [[BOT, "holds", "an"], [APP, "holds", "a"]]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {BOT: "", APP: " ", "MAILCHECK_HTTP": "", "REDIS_URL": "\n"})
    assert (settings.slack_mode, settings.redis_url, settings.http.port) == (SlackMode.NONE, None, 3000)


def test_a_token_pasted_with_a_newline_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {BOT: "xoxb-1\n", SIGNING: " s "})
    assert settings.slack_bot_token is not None
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"


def test_a_stray_env_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAILCHECK_HTTP=192.0.2.1:1\n")
    monkeypatch.chdir(tmp_path)
    assert read_settings().http == HostPort("127.0.0.1", 3000)


def test_no_secret_is_shown_by_settings_or_by_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [variable(field) for field in Settings.model_fields if "Secret" in str(Settings.model_fields[field])]
    assert {"REDIS_URL", "MAILCHECK_ABUSIX_KEY", *TOKENS} <= set(names)
    environment = dict.fromkeys(names, "hush-1") | {"SLACK_CLIENT_ID": "1", "TEAMS_CLIENT_ID": "2"}
    assert "hush-1" not in repr(read(monkeypatch, environment))
    with pytest.raises(SettingsError) as wrong:
        read(monkeypatch, {BOT: "xapp-hush-1"})
    assert "hush-1" not in str(wrong.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read_settings().http = HostPort("192.0.2.1", 1)


def outcome(parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except ValueError as refused:
        return str(refused)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_plain_refusal(text: str) -> None:
    length = outcome(duration, text)
    assert length > timedelta(0) if isinstance(length, timedelta) else str(length).startswith("must be")


@given(st.text(max_size=24) | st.ip_addresses().map(str))
def test_any_text_is_a_nameserver_or_a_plain_refusal(text: str) -> None:
    server = outcome(nameserver, text)
    assert nameserver(str(server)) == server if isinstance(server, HostPort) else str(server).startswith("must be")


def test_the_home_directory_may_be_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, {"MAILCHECK_STATE_DIR": "~/state"}).state_dir == Path(os.path.expanduser("~/state"))
