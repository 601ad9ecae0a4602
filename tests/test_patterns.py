"""Every regular expression and every parser of foreign text takes linear time."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from time import process_time

import pytest

from bot.bounces.classify import explain
from bot.bounces.mail_log import decode_lines, find_bounces, summarize_with_examples
from bot.bounces.message_headers import analyze_headers
from bot.checks import dane, ip_owner, tls_rpt
from bot.checks.bimi import record as bimi_record
from bot.checks.dkim import key_record
from bot.checks.dmarc import record as dmarc_record
from bot.checks.mta_sts import policy as mta_sts_policy
from bot.checks.spf import record as spf_record
from bot.checks.spf.macros import parse_explanation
from bot.inputs.targets import BadTarget, parse_targets
from handlers.cli.pasted_text import iter_bounces, read_header_text
from handlers.commands import VERBS
from handlers.commands.parser import read_check
from handlers.commands.watch_parser import (
    canonical_target,
    read_history,
    read_mute,
    read_setting,
    read_watch,
    read_watch_name,
)
from handlers.sanitize import sanitize, sanitize_monospaced
from handlers.slack.mrkdwn import extract_targets, iter_texts, strip_markup
from handlers.teams.requests import plain_command
from handlers.verbs import PARSE_ERRORS
from handlers.web.app import without_prefix
from tests.support.adversarial_text import Repetition, build, general_repetitions, repetitions_for
from tests.support.compiled_patterns import (
    CompiledPattern,
    calls_outside_module_level,
    compiled_patterns,
    patterns_in_source,
)

KIB = 1024
SMALL, MEDIUM, LARGE = 4 * KIB, 16 * KIB, 64 * KIB
MAX_RATIO = 6.0  # of the time for four times the text; a quadratic expression needs 16 times as long
FLOOR_S = 0.002  # shorter times are not compared
SUSPECT_S = 0.001
SUSPECT_RATIO = 5.0
CERTAIN_RATIO = 12.0  # from 4 to 16 KiB; a text four times as long would only take the time
MAX_PARSE_S = 0.25
COMPILED_ON_LOAD = ["bot/checks/hosting_providers.py:_compile_pattern"]

Reader = Callable[[str], object]


def cpu_seconds(run: Reader, text: str) -> float:
    start = process_time()
    run(text)
    return process_time() - start


def least_seconds(run: Reader, text: str) -> float:
    """The least of three times, or the first one that is negligible."""
    times: list[float] = []
    while len(times) < 3 and (not times or FLOOR_S <= min(times) <= MAX_PARSE_S):
        times.append(cpu_seconds(run, text))
    return min(times)


def growth(run: Reader, repetition: Repetition, limit_s: float = MAX_PARSE_S / 4) -> float:
    """How many times the CPU time of 16 KiB the same repetition takes at 64 KiB; 0 if negligible.

    What takes longer than the limit at 4 KiB, or much longer at 16 KiB, is not tried with more.
    """
    small = least_seconds(run, build(repetition, SMALL))
    if small > limit_s:
        return float("inf")
    medium = cpu_seconds(run, build(repetition, MEDIUM))
    if medium < SUSPECT_S or medium / max(small, 1e-6) < SUSPECT_RATIO:
        return 0.0
    if medium > MAX_RATIO * limit_s:  # at 4 KiB it was below the limit
        return medium / max(small, 1e-6)
    medium = least_seconds(run, build(repetition, MEDIUM))
    if small >= FLOOR_S and medium / small > CERTAIN_RATIO:
        return medium / small
    large = least_seconds(run, build(repetition, LARGE))
    return large / max(medium, 1e-6) if large >= FLOOR_S else 0.0


def call(compiled: CompiledPattern, method: str) -> Reader:
    function = getattr(compiled.pattern, method)
    if isinstance(compiled.pattern.pattern, bytes):
        arguments = [b" "] if method == "sub" else []
        return lambda text: function(*arguments, text.encode())
    if method in ("sub", "subn"):
        return partial(function, " ")
    return (lambda text: deque(function(text), maxlen=0)) if method == "finditer" else function


def slow_uses(compiled: CompiledPattern) -> Iterator[str]:
    for repetition in repetitions_for(compiled.pattern):
        for method in compiled.methods:
            run = call(compiled, method)
            if growth(run, repetition) > MAX_RATIO and (ratio := growth(run, repetition)) > MAX_RATIO:  # not by chance
                yield f"{compiled.place}.{method}: {ratio:.1f} times as long for 4 times {repetition}"
                return


def test_every_pattern_of_every_module_takes_linear_time() -> None:
    assert list(chain.from_iterable(map(slow_uses, compiled_patterns()))) == []


def test_every_pattern_in_the_source_is_among_the_tested_ones() -> None:
    assert calls_outside_module_level() == COMPILED_ON_LOAD
    assert patterns_in_source() > 100
    assert len(compiled_patterns()) >= patterns_in_source()


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s+(?=received: )", "split"),
        (r"from .*by", "search"),
        (r"name\s+(?:[\"„][^\"“]*[“]|x)", "search"),
        (r"https?://\S*/services/", "sub"),
    ],
)
def test_quadratic_pattern_is_found(pattern: str, method: str) -> None:
    assert list(slow_uses(CompiledPattern("here", re.compile(pattern), (method,))))


def parsed(parse: Reader) -> Reader:
    def run(text: str) -> None:
        with suppress(*PARSE_ERRORS, ValueError):
            parse(text)

    return run


def report_hosts(text: str) -> object:
    record = dmarc_record.parse(text)
    return record and record.report_hosts


PARSERS: dict[str, Reader] = {
    "command": VERBS.parse,
    "command with a file": lambda text: VERBS.parse(text, has_files=True),
    "check": parsed(read_check),
    "watch": parsed(read_watch),
    "watch name": parsed(lambda text: read_watch(f"192.0.2.1 name {text}")),
    "mute": parsed(read_mute),
    "unwatch, unmute, ack": parsed(read_watch_name),
    "history": parsed(read_history),
    "settings": parsed(read_setting),
    "target": canonical_target,
    "targets file": lambda text: [suppressed_line(line) for line in text.splitlines()],
    "headers": analyze_headers,
    "headers received": lambda text: analyze_headers(f"Received: {text}"),
    "headers results": lambda text: analyze_headers(f"Received: x\nAuthentication-Results: {text}"),
    "headers signature": lambda text: analyze_headers(f"Received: x\nDKIM-Signature: {text}"),
    "explain": explain,
    "slack markup": strip_markup,
    "slack texts": lambda text: list(iter_texts({"text": text, "blocks": [{"text": text}]})),
    "slack targets": extract_targets,
    "teams command": plain_command,
    "web command": without_prefix,
    "SPF record": parsed(lambda text: spf_record.parse_record(f"v=spf1 {text}")),
    "SPF explanation": parsed(parse_explanation),
    "DMARC record": lambda text: dmarc_record.parse(f"v=DMARC1; p=none; {text}"),
    "DMARC reports": lambda text: report_hosts(f"v=DMARC1; p=none; rua={text}"),
    "DKIM key": parsed(lambda text: key_record.parse(f"v=DKIM1; {text}")),
    "DKIM key or other text": key_record.is_key_record,
    "BIMI record": parsed(lambda text: bimi_record.parse(f"v=BIMI1; l={text}")),
    "MTA-STS record": parsed(lambda text: mta_sts_policy.parse_record_id(f"v=STSv1; {text}")),
    "MTA-STS records": lambda text: mta_sts_policy.find_records([text]),
    "MTA-STS policy": parsed(mta_sts_policy.parse_policy),
    "TLS-RPT record": lambda text: tls_rpt.judge("example.com", [f"v=TLSRPTv1; {text}"]),
    "TLS-RPT addresses": lambda text: tls_rpt.judge("example.com", [f"v=TLSRPTv1; rua={text}"]),
    "TLSA record": parsed(dane.parse_tlsa),
    "network of an address": parsed(lambda text: ip_owner.longest_prefix([text])),
    "name of a network": ip_owner.parse_as_name,
    "sanitize": sanitize,
    "sanitize monospaced": sanitize_monospaced,
}
# These read every line; lines that differ are each explained, so only the growth is limited.
LOG_READERS: dict[str, Reader] = {
    "bounce": lambda text: summarize_with_examples(decode_lines([text.encode()])),
    "log": lambda text: deque(find_bounces([f"Nov 24 07:40:13 mail postfix/smtp[1]: status=bounced {text}"]), 0),
    "report": lambda text: deque(find_bounces(f"Content-Type: multipart/report\n{text}".splitlines()), 0),
}


def suppressed_line(line: str) -> None:
    with suppress(BadTarget):
        parse_targets(line)


@pytest.mark.parametrize("name", [*PARSERS, *LOG_READERS])
def test_parser_reads_64_kilobytes_of_any_repetition_in_linear_time(name: str) -> None:
    run = (PARSERS | LOG_READERS)[name]
    explain("550 rules are loaded once")
    analyze_headers("Received: from a.example.org (a.example.org [203.0.113.5]) by b.example.com")  # so are its tables
    analyze_headers("Received: from mail.example.com by mx.example.net")
    for repetition in general_repetitions():
        assert growth(run, repetition, MAX_PARSE_S) <= MAX_RATIO, repetition
        if name in PARSERS:
            assert least_seconds(run, build(repetition, LARGE)) <= MAX_PARSE_S, repetition


def test_command_line_reads_files_of_repetitions_in_linear_time(tmp_path: Path) -> None:
    file = tmp_path / "text"
    for repetition in general_repetitions():
        file.write_text(build(repetition, SMALL))
        assert cpu_seconds(lambda name: analyze_headers(read_header_text(name)), str(file)) < MAX_PARSE_S, repetition
        file.write_text(build(repetition, LARGE))
        assert cpu_seconds(lambda name: analyze_headers(read_header_text(name)), str(file)) < MAX_PARSE_S, repetition
        cpu_seconds(lambda name: deque(iter_bounces(name), 0), str(file))
