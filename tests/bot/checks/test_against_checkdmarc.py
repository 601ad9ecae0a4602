"""The readers of MTA-STS, TLS reports and BIMI beside those of checkdmarc: they agree, or the difference stands here.

Only its pure parsers are asked, over the tables of good and broken records that our own tests hold.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checkdmarc.bimi import check_svg_requirements, get_svg_metadata
from checkdmarc.mta_sts import MTASTSError, mx_in_mta_sts_patterns, parse_mta_sts_policy, parse_mta_sts_record
from checkdmarc.smtp_tls_reporting import SMTPTLSReportingError, parse_smtp_tls_reporting_record

from bot.checks import tls_rpt
from bot.checks.bimi.indicator import faults
from bot.checks.mta_sts.policy import Policy, Unusable, read_id, read_policy
from bot.models import Verdict
from tests.bot.checks.bimi import test_indicator as logos
from tests.bot.checks.mta_sts import test_policy as mta_sts
from tests.bot.checks.test_tls_rpt import BAD_ADDRESSES, BAD_RECORDS, GOOD

# A text that does not begin with “v=STSv1;” to the letter is discarded (RFC 8461 §3.1), as is one that does not begin with
# “v=TLSRPTv1;” (RFC 8460 §3). checkdmarc lets spaces stand in front of the version or of its semicolon.
SPACES = {"v=STSv1 ; id=1", " v=STSv1; id=1", "v=TLSRPTv1 ; rua=mailto:a@example.com"}
# A mailto address may have headers (RFC 6068 §2), which checkdmarc does not know in a report's address.
HEADERS = {"v=TLSRPTv1; rua=mailto:a@example.com?subject=TLS ; ext=1"}


def taken(read: Callable[[str], object], text: str, *refusals: type[Exception]) -> bool:
    try:
        read(text)
    except refusals:
        return False
    return True


@pytest.mark.parametrize("record", [*mta_sts.GOOD_RECORDS, *mta_sts.BROKEN_RECORDS])
def test_the_same_records_of_mta_sts_are_taken(record: str) -> None:
    ours, theirs = taken(read_id, record, Unusable), taken(parse_mta_sts_record, record, MTASTSError)
    assert (ours, theirs) == ((False, True) if record in SPACES else (theirs, theirs))


@pytest.mark.parametrize("text", [text for text, _ in (*mta_sts.GOOD_POLICIES, *mta_sts.BROKEN_POLICIES)])
def test_the_same_policies_of_mta_sts_are_taken(text: str) -> None:
    assert taken(read_policy, text, Unusable) == taken(parse_mta_sts_policy, text, MTASTSError)


@pytest.mark.parametrize(("pattern", "host", "fits"), mta_sts.FITTING)
def test_the_same_mail_servers_fit_a_policy(pattern: str, host: str, fits: bool) -> None:
    assert mx_in_mta_sts_patterns(host, [pattern]) is Policy("enforce", 1, (pattern,)).allows(host) is fits


@pytest.mark.parametrize("record", [*GOOD, *BAD_RECORDS, *(f"v=TLSRPTv1; rua={address}" for address in BAD_ADDRESSES)])
def test_the_same_records_of_tls_reports_are_taken(record: str) -> None:
    ours = tls_rpt.judge("example.com", [record]).verdict is Verdict.PASS
    theirs = taken(parse_smtp_tls_reporting_record, record, SMTPTLSReportingError)
    assert (ours, theirs) == {**dict.fromkeys(SPACES, (False, True)), **dict.fromkeys(HEADERS, (True, False))}.get(
        record, (theirs, theirs)
    )


@pytest.mark.parametrize("svg", [*logos.FITTING, *(svg for svg, _ in logos.FAULTY)])
def test_a_logo_that_checkdmarc_refuses_is_refused_here_too(svg: str) -> None:
    """It looks at the root element alone and not at what is inside, so it refuses less.

    Two logos it cannot read at all: one with width and height in place of a viewBox, one with commas in its viewBox.
    """
    try:
        refused = check_svg_requirements(get_svg_metadata(svg))
    except ValueError:
        assert faults(svg) or svg in logos.FITTING[1:3]
        return
    assert not refused or faults(svg)
