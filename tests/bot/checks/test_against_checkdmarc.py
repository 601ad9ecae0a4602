"""MTA-STS, TLS-RPT and BIMI parsers compared with those of checkdmarc; differences are listed here.

Only its pure parsers are called, with the tables of valid and invalid records of our own tests.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checkdmarc.bimi import check_svg_requirements, get_svg_metadata
from checkdmarc.mta_sts import MTASTSError, mx_in_mta_sts_patterns, parse_mta_sts_policy, parse_mta_sts_record
from checkdmarc.smtp_tls_reporting import SMTPTLSReportingError, parse_smtp_tls_reporting_record

from bot.checks import tls_rpt
from bot.checks.bimi.indicator import logo_problems
from bot.checks.mta_sts.policy import BadMtaSts, MtaStsPolicy, parse_policy, parse_record_id
from bot.models import Verdict
from tests.bot.checks.bimi import test_indicator as logos
from tests.bot.checks.mta_sts import test_policy as mta_sts
from tests.bot.checks.test_tls_rpt import BAD_ADDRESSES, BAD_RECORDS, GOOD

# A record must begin with exactly “v=STSv1;” (RFC 8461 §3.1) or “v=TLSRPTv1;” (RFC 8460 §3).
# checkdmarc accepts spaces before the version or its semicolon.
SPACES = {"v=STSv1 ; id=1", " v=STSv1; id=1", "v=TLSRPTv1 ; rua=mailto:a@example.com"}
# A mailto URI may have headers (RFC 6068 §2), which checkdmarc does not accept in a report address.
HEADERS = {"v=TLSRPTv1; rua=mailto:a@example.com?subject=TLS ; ext=1"}


def accepts(read: Callable[[str], object], text: str, *errors: type[Exception]) -> bool:
    try:
        read(text)
    except errors:
        return False
    return True


@pytest.mark.parametrize("record", [*mta_sts.GOOD_RECORDS, *mta_sts.BROKEN_RECORDS])
def test_mta_sts_record_acceptance_matches_checkdmarc(record: str) -> None:
    ours, theirs = (accepts(parse_record_id, record, BadMtaSts), accepts(parse_mta_sts_record, record, MTASTSError))
    assert (ours, theirs) == ((False, True) if record in SPACES else (theirs, theirs))


@pytest.mark.parametrize("text", [text for text, _ in (*mta_sts.GOOD_POLICIES, *mta_sts.BROKEN_POLICIES)])
def test_mta_sts_policy_acceptance_matches_checkdmarc(text: str) -> None:
    assert accepts(parse_policy, text, BadMtaSts) == accepts(parse_mta_sts_policy, text, MTASTSError)


@pytest.mark.parametrize(("pattern", "host", "fits"), mta_sts.FITTING)
def test_mta_sts_mx_matching_matches_checkdmarc(pattern: str, host: str, fits: bool) -> None:
    assert mx_in_mta_sts_patterns(host, [pattern]) is MtaStsPolicy("enforce", 1, (pattern,)).allows(host) is fits


@pytest.mark.parametrize("record", [*GOOD, *BAD_RECORDS, *(f"v=TLSRPTv1; rua={address}" for address in BAD_ADDRESSES)])
def test_tls_rpt_record_acceptance_matches_checkdmarc(record: str) -> None:
    ours = tls_rpt.judge("example.com", [record]).verdict is Verdict.PASS
    theirs = accepts(parse_smtp_tls_reporting_record, record, SMTPTLSReportingError)
    assert (ours, theirs) == {**dict.fromkeys(SPACES, (False, True)), **dict.fromkeys(HEADERS, (True, False))}.get(
        record, (theirs, theirs)
    )


@pytest.mark.parametrize("svg", [*logos.FITTING, *(svg for svg, _ in logos.FAULTY)])
def test_bimi_logo_refused_by_checkdmarc_is_refused(svg: str) -> None:
    """checkdmarc checks the root element only, so it refuses less.

    It cannot parse two of the logos: one with width and height instead of a viewBox, one with
    commas in its viewBox.
    """
    try:
        refused = check_svg_requirements(get_svg_metadata(svg))
    except ValueError:
        assert logo_problems(svg) or svg in logos.FITTING[1:3]
        return
    assert not refused or logo_problems(svg)
