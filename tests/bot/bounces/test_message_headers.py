"""Pasted headers: hops, egress address, authentication results and alignment."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.bounces.auth_results import MEANINGS, parse_authentication_results
from bot.bounces.message_headers import analysis_to_json, analyze_headers
from bot.bounces.received import parse_hops
from tests.support.cpu_growth import LINEAR, cpu_growth

HEADER = """\
Return-Path: <bounce@news.example.org>
Received: by 2001:db8:6214::1 with SMTP id xyz; Tue, 24 Nov 2026 07:40:12 -0800 (PST)
Received: from mail.example.org (mail.example.org. [203.0.113.5])
        by mx.example.com with ESMTPS id abc for <a@example.com>
        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        Tue, 24 Nov 2026 07:40:11 -0800 (PST)
Authentication-Results: mx.example.com;
       dkim=pass header.i=@example.org header.s=s1 header.b=abc;
       spf=pass (domain of bounce@news.example.org designates 203.0.113.5 as permitted sender) \
smtp.mailfrom=bounce@news.example.org;
       dmarc=pass (p=REJECT) header.from=example.org
Received: from laptop (unknown [198.51.100.77])
\tby mail.example.org (Postfix) with ESMTPSA id 4F2C1A;
\tTue, 24 Nov 2026 16:40:03 +0100 (CET)
DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1;
 h=From:To:List-Unsubscribe:List-Unsubscribe-Post; b=xx
From: "a@gmail.example" <news@example.org>
List-Unsubscribe: <https://example.org/u>, <mailto:u@example.org>
List-Unsubscribe-Post: List-Unsubscribe=One-Click

Received: from the.body.example ([192.0.2.1]) by nobody.example; Tue, 24 Nov 2026 07:40:12 -0800
"""


def test_hops_are_ordered_oldest_first() -> None:
    hops = analyze_headers(HEADER).hops
    assert [(hop.name, str(hop.ip or ""), hop.by, hop.protocol, hop.delay_s) for hop in hops] == [
        ("laptop", "198.51.100.77", "mail.example.org", "ESMTPSA", None),
        ("mail.example.org", "203.0.113.5", "mx.example.com", "ESMTPS", 8),
        (None, "", "2001:db8:6214::1", "SMTP", 1),
    ]
    assert [hop.encrypted for hop in hops] == [True, True, False]


def test_hops_ignore_the_body() -> None:
    assert len(analyze_headers(HEADER).hops) == 3


def test_domains_come_from_addresses_not_display_names() -> None:
    path = analyze_headers(HEADER)
    assert (path.from_domain, path.return_path_domain) == ("example.org", "news.example.org")


def received(*hops: str) -> str:
    return "".join(f"Received: {hop}; Tue, 24 Nov 2026 07:40:11 +0000\n" for hop in reversed(hops))


@pytest.mark.parametrize(
    ("hops", "egress"),
    [
        (
            [
                "from pc ([10.0.0.7]) by mail.example.org with ESMTPSA",
                "from mail.example.org ([203.0.113.5]) by mx.example.com",
            ],
            "203.0.113.5",
        ),
        (
            [
                "from mail.example.org ([203.0.113.5]) by mx.example.com",
                "from mx.example.com (mx.example.com [198.51.100.1]) by store.example.com",
            ],
            "203.0.113.5",
        ),
        (
            [
                "from mail.example.org ([203.0.113.5]) by in.filter.example.net",
                "from out.filter.example.net ([198.51.100.9]) by mx.example.com",
            ],
            "198.51.100.9",
        ),
        (["from out.provider.example.net ([198.51.100.9]) by mx.example.com"], "198.51.100.9"),
        (["from home ([198.51.100.77]) by mail.example.org with ESMTPSA"], None),
        (
            [
                "from a.example.org ([10.0.0.1]) by b.example.org",
                "from b.example.org ([192.168.0.1]) by mx.example.com",
            ],
            None,
        ),
        (["by mx.example.com with SMTP"], None),
        ([], None),
    ],
)
def test_egress_is_the_last_hop_out_of_the_organization(hops: list[str], egress: str | None) -> None:
    path = analyze_headers(f"From: <a@example.org>\n{received(*hops)}")
    assert (path.egress.ip if path.egress else None) == egress


BORDER = "Received: from mail.example.org (mail.example.org [203.0.113.5]) by mx.example.com with ESMTPS"


@pytest.mark.parametrize(
    ("fields", "spf", "dkim"),
    [
        (f"{BORDER}\nReturn-Path: <b@example.org>\nDKIM-Signature: d=example.org; s=x", None, None),
        (
            "Authentication-Results: mx.example.com; spf=fail smtp.mailfrom=example.org; dkim=pass"
            f" header.d=example.org\n{BORDER}",
            False,
            True,
        ),
        (
            f"Authentication-Results: in.example.com; spf=pass smtp.mailfrom=example.net; dkim=none\n{BORDER}",
            False,
            False,
        ),
        (f"{BORDER}\nAuthentication-Results: mx.example.com; spf=pass smtp.mailfrom=b@example.org", True, None),
        (
            f"{BORDER}\nAuthentication-Results: mx.example.com; spf=fail smtp.mailfrom=example.org\n"
            "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=example.org",
            False,
            None,
        ),
        (f"{BORDER}\nAuthentication-Results: mx.bank.example; dkim=pass header.d=example.org", None, None),
        (f"{BORDER}\nARC-Authentication-Results: i=1; mx.example.com; dkim=pass header.d=example.org", None, None),
        (
            f"{BORDER}\nReceived: from a by b\nAuthentication-Results: mx.example.com; dkim=pass header.d=example.org",
            None,
            None,
        ),
        (f"Authentication-Results: spf=pass smtp.mailfrom=example.org\n{BORDER}", None, None),
    ],
    ids=[
        "none",
        "own",
        "own organization",
        "below its hop",
        "second of own",
        "other server",
        "ARC",
        "below other hops",
        "unnamed",
    ],
)
def test_alignment_counts_results_of_the_receiving_organization_only(
    fields: str, spf: bool | None, dkim: bool | None
) -> None:
    alignment = analyze_headers(f"{fields}\nFrom: <a@example.org>").alignment
    assert (alignment.spf, alignment.dkim) == (spf, dkim)


@pytest.mark.parametrize(
    ("fields", "one_click", "expected_text"),
    [
        ("", False, "no List-Unsubscribe"),
        ("List-Unsubscribe: <mailto:u@example.org>", False, "no https link"),
        ("List-Unsubscribe: <https://example.org/u>", False, "is missing"),
        (
            ("List-Unsubscribe: <https://example.org/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click"),
            False,
            "no DKIM signature",
        ),
    ],
)
def test_unsubscribe_one_click_needs_link_post_and_dkim(fields: str, one_click: bool, expected_text: str) -> None:
    unsubscribe = analyze_headers(f"From: <a@example.org>\n{fields}").unsubscribe
    assert unsubscribe.one_click is one_click
    assert expected_text in unsubscribe.summary
    assert analyze_headers(HEADER).unsubscribe.one_click


@pytest.mark.parametrize(("method", "result"), sorted(MEANINGS))
def test_auth_results_every_result_is_explained(method: str, result: str) -> None:
    field = parse_authentication_results(
        f"mx.example.com; {method}={result} smtp.mailfrom=a@example.org header.d=example.org header.from=example.org"
    )
    (method_result,) = field.results
    assert (method_result.method, method_result.result, method_result.domain) == (method, result, "example.org")
    assert method_result.summary.endswith(".")


@pytest.mark.parametrize(
    "value",
    [
        "mx.example.com; none",
        "mx; spf=<b>bold</b>",
        "mx; x-evil=pass",
        "",
        ";;;",
        "mx; spf=pass smtp.mailfrom=<script>",
    ],
)
def test_auth_results_odd_values_have_no_domain(value: str) -> None:
    assert all(result.domain is None for result in parse_authentication_results(value).results)


def test_hop_with_bad_date_has_no_time() -> None:
    (hop,) = parse_hops(["from a.example.org ([203.0.113.5]) by b.example.net; the day before yesterday"])
    assert (hop.at, hop.delay_s) == (None, None)


PIECES = st.one_of(
    st.sampled_from(
        [
            *HEADER.splitlines(keepends=True),
            "Received: ",
            "from ",
            "by ",
            "(",
            "[",
            ";",
            "@",
            "=",
            "dkim=pass ",
            "\t",
            "<",
        ]
    ),
    st.text(max_size=20),
)


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_headers_any_text_gives_safe_sentences(text: str) -> None:
    path = analyze_headers(text)
    json.dumps(analysis_to_json(path))
    sentences = [
        path.alignment.summary,
        path.unsubscribe.summary,
        *(result.summary for field in path.authentication for result in field.results),
    ]
    sentences += [path.egress.summary] if path.egress else []
    assert all(sentence.endswith(".") and not re.search(r"[<>\[\]|`\x00-\x1f]", sentence) for sentence in sentences)


@pytest.mark.parametrize(
    "piece",
    [
        "Received: from ",
        "from a (",
        "(",
        ";",
        "a=b;",
        "@a",
        "Received: x\n",
        " \n",
        "\t folded\n",
        "Authentication-Results: ((((\n",
        "1.",
        ":",
        "DKIM-Signature: d=",
    ],
)
def test_headers_take_linear_time(piece: str) -> None:
    start = "From: a@example.org\nReceived: from "
    assert cpu_growth(analyze_headers, lambda length: start + piece * (length // len(piece)), 65_536) <= LINEAR
