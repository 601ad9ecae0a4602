import pytest

from bot.models import CheckRequest, Finding, Report, Target, Verdict
from handlers.message import Card, Tone
from handlers.messages import checking_card, report_card, reports_card, summarize_report
from tests.support.reports import CLEAN, FORM, HALF_UNKNOWN, LISTED, PBL_ON_A_CLIENT, finding, listing, report

DOCUMENTATION = Finding(
    "network",
    "192.0.2.25",
    Verdict.UNKNOWN,
    "network.special-purpose",
    "192.0.2.25 is a documentation address.",
    facts={"kind": "a documentation address"},
)


def words(card: Card) -> str:
    return "\n".join((card.title, card.step, *(line.text for line in card.lines), card.footnote))


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (CLEAN, "no problems found"),
        (LISTED, "on Spamhaus ZEN, and 2 more problems"),
        (HALF_UNKNOWN, "1 problem (PTR)"),
        (PBL_ON_A_CLIENT, "no problems, but listed on Spamhaus ZEN"),
        (report(*(listing(name, Verdict.PASS) for name in "ABC")), "no problems, but listed on A and 2 more"),
        (report(listing("Praise", Verdict.PASS, effect="allow")), "no problems found"),
        (report(listing("A"), listing("B"), listing("C")), "on A and 2 more blocklists"),
        (report(listing("Silent", Verdict.UNKNOWN, "unknown")), "not everything could be checked"),
        (report(finding("spf", Verdict.WARN), finding("spf", Verdict.FAIL)), "2 problems (SPF)"),
        (report(DOCUMENTATION), "a documentation address"),
        (report(DOCUMENTATION, finding("mx", Verdict.FAIL)), "a documentation address, 1 problem (MX)"),
    ],
)
def test_report_summary_names_listing_or_problem_count(report: Report, expected: str) -> None:
    assert summarize_report(report) == expected


def test_report_card_starts_with_worst_problem_and_its_step() -> None:
    card = report_card(LISTED)
    assert card.tone is Tone.BAD
    assert [line.text for line in card.lines[:3]] == [
        "Spamhaus ZEN says listed.",
        "192.0.2.25 has no PTR record.",
        "SPF softfails for this address.",
    ]
    assert card.step == "Fix the cause, then ask for removal."


def test_report_card_buttons_are_removal_explain_recheck_and_watch() -> None:
    form, explain, recheck, watch = report_card(LISTED).buttons
    assert form.url == FORM
    assert explain.command == "check 192.0.2.25 example.com as mta explain"
    assert recheck.command == "check 192.0.2.25 example.com as mta fresh"
    assert watch.command == "watch 192.0.2.25 example.com as mta"


def test_unanswered_lists_are_not_counted_as_clean() -> None:
    text = words(report_card(HALF_UNKNOWN))
    assert ("25 lists not known (no answer in time): Silent 0, Silent 1, Silent 2, Silent 3 and 21 more.") in text
    assert "5 lists not known (it refuses this resolver)" in text
    assert "60 lists queried: 30 clean, 0 listed, 30 without an answer" in text


def test_passed_checks_are_one_line_without_failed_ones() -> None:
    mixed = report(finding("spf"), finding("spf", Verdict.WARN), finding("mx"))
    (passed,) = (line.text for line in report_card(mixed).lines if line.text.startswith("Passed"))
    assert passed == "Passed: MX."


def test_three_listings_are_shown_only_in_table() -> None:
    card = report_card(report(listing("A"), listing("B"), listing("C"), finding("ptr", Verdict.FAIL, "No name.")))
    assert card.table is not None
    assert [row[0] for row in card.table.rows] == ["A", "B", "C"]
    assert [line.text for line in card.lines] == ["No name."]


def test_expected_listing_is_shown_as_good() -> None:
    assert ("Spamhaus ZEN says listed.", Tone.GOOD) in [
        (line.text, line.tone) for line in report_card(PBL_ON_A_CLIENT).lines
    ]


def test_problems_over_the_limit_are_counted() -> None:
    many = report(*(finding("spf", Verdict.WARN, f"Problem {n}.") for n in range(20)))
    lines = [line.text for line in report_card(many).lines]
    assert lines[-1] == "12 more problems."
    assert len(lines) == 9


def test_report_footnote_shows_cache_and_notes() -> None:
    assert "from the cache" in report_card(report(finding("mx"), cached=True)).footnote
    assert (
        "The store is unavailable." in report_card(report(finding("mx"), notes=("The store is unavailable.",))).footnote
    )


def test_several_reports_are_one_table_worst_first() -> None:
    card = reports_card([CLEAN, LISTED])
    assert card.title == "1 of 2 targets has a problem that stops mail"
    assert card.table is not None
    assert [row[1] for row in card.table.rows] == ["bad", "good"]


def test_several_reports_with_harmless_listing_are_not_called_good() -> None:
    card = reports_card([CLEAN, PBL_ON_A_CLIENT])
    assert card.title == "2 targets: no problems, but listed"
    assert card.table is not None
    assert [row[1] for row in card.table.rows] == ["good", "listed"]


def test_checking_card_names_the_target_only() -> None:
    assert checking_card([CheckRequest(Target(domain="example.com"))]).title == "Checking example.com …"


def test_receiver_verdicts_are_one_fact_and_no_problem() -> None:
    rules = [{"state": "broken", "replies": ["5.7.25"]}, {"state": "met", "replies": ["5.7.26"]}]
    gmail = finding("senders", Verdict.FAIL, "Gmail is likely to reject this mail.")
    gmail = gmail._replace(facts={"name": "Gmail", "rules": rules})
    yahoo = finding("senders")._replace(facts={"name": "Yahoo", "rules": rules[1:]})
    card = report_card(report(finding("ptr", Verdict.FAIL, "No name."), gmail, yahoo))
    assert [(fact.label, fact.value) for fact in card.facts] == [("Likely", "Gmail rejects (5.7.25) · Yahoo accepts")]
    assert card.title.endswith("1 problem (PTR)")


HOLDER = finding("network")._replace(
    code="network.holder",
    facts={"asns": [64496], "holder": "Example GmbH", "network": "EX-NET", "abuse": "abuse@example.net"},
)


@pytest.mark.parametrize(
    ("problem", "holder", "expected"),
    [
        (listing("A"), HOLDER, ["Example GmbH (AS64496) · complaints go to abuse@example.net"]),
        (finding("ptr", Verdict.FAIL), HOLDER._replace(facts={"asns": [64496], "holder": None}), ["AS64496"]),
        (finding("spf", Verdict.FAIL), HOLDER, []),
        (finding("ptr"), HOLDER, []),
    ],
    ids=["listed", "no PTR record, and little is known", "not the network's business", "all good"],
)
def test_network_owner_is_shown_only_if_it_may_have_to_act(
    problem: Finding, holder: Finding, expected: list[str]
) -> None:
    assert [fact.value for fact in report_card(report(problem, holder)).facts] == expected


def test_improvements_are_shown_only_without_problems() -> None:
    improvements = [
        finding(check)._replace(code=f"{check}.missing", remediation="Publish one.") for check in ("mta-sts", "tls-rpt")
    ]
    (line,) = report_card(report(*improvements)).lines
    assert (line.text, line.tone) == ("Could be better: an MTA-STS policy and reports about failed TLS.", Tone.PLAIN)
    assert "Could be better" not in words(report_card(report(finding("ptr", Verdict.FAIL, "No name."), *improvements)))
