import pytest

from bot.models import Finding, Order, Report, Target, Verdict
from handlers.message import Card, Tone
from handlers.messages import checking_card, report_card, reports_card, summary
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
    ("report", "said"),
    [
        (CLEAN, "all good"),
        (LISTED, "on Spamhaus ZEN, and 2 more problems"),
        (HALF_UNKNOWN, "1 problem (reverse name)"),
        (PBL_ON_A_CLIENT, "all good"),
        (report(listing("A"), listing("B"), listing("C")), "on A and 2 more blocklists"),
        (report(listing("Silent", Verdict.UNKNOWN, "unknown")), "not everything could be checked"),
        (report(finding("spf", Verdict.WARN), finding("spf", Verdict.FAIL)), "2 problems (SPF)"),
        (report(DOCUMENTATION), "a documentation address"),
        (report(DOCUMENTATION, finding("mx", Verdict.FAIL)), "a documentation address, 1 problem (MX)"),
    ],
)
def test_the_verdict_in_a_few_words(report: Report, said: str) -> None:
    assert summary(report) == said


def test_the_worst_is_said_first_and_its_step_is_the_one_next_step() -> None:
    card = report_card(LISTED)
    assert card.tone is Tone.BAD
    assert [line.text for line in card.lines[:3]] == [
        "Spamhaus ZEN says listed.",
        "192.0.2.25 has no reverse name.",
        "SPF softfails for this address.",
    ]
    assert card.step == "Fix the cause, then ask for removal."


def test_the_removal_form_is_one_button_and_checking_again_asks_afresh() -> None:
    form, again, watch = report_card(LISTED).buttons
    assert form.url == FORM
    assert again.command == "check 192.0.2.25 example.com as mta fresh"
    assert watch.command == "watch 192.0.2.25 example.com as mta"


def test_lists_without_an_answer_are_never_called_clean() -> None:
    said = words(report_card(HALF_UNKNOWN))
    assert "25 lists not known (no answer in time): Silent 0, Silent 1, Silent 2, Silent 3 and 21 more." in said
    assert "5 lists not known (it refuses this resolver)" in said
    assert "60 lists asked: 30 clean, 0 listed, 30 without an answer" in said


def test_what_passed_is_one_line_and_names_no_check_that_did_not() -> None:
    mixed = report(finding("spf"), finding("spf", Verdict.WARN), finding("mx"))
    (passed,) = (line.text for line in report_card(mixed).lines if line.text.startswith("In order"))
    assert passed == "In order: MX."


def test_three_listings_make_a_table_and_are_not_told_twice() -> None:
    card = report_card(report(listing("A"), listing("B"), listing("C"), finding("ptr", Verdict.FAIL, "No name.")))
    assert card.table is not None
    assert [row[0] for row in card.table.rows] == ["A", "B", "C"]
    assert [line.text for line in card.lines] == ["No name."]


def test_an_expected_listing_is_explained_as_good() -> None:
    assert ("Spamhaus ZEN says listed.", Tone.GOOD) in [(x.text, x.tone) for x in report_card(PBL_ON_A_CLIENT).lines]


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    many = report(*(finding("spf", Verdict.WARN, f"Problem {n}.") for n in range(20)))
    lines = [line.text for line in report_card(many).lines]
    assert lines[-1] == "12 more problems."
    assert len(lines) == 9


def test_the_cache_and_the_missing_store_are_said() -> None:
    assert "from the cache" in report_card(report(finding("mx"), cached=True)).footnote
    assert "The store is away." in report_card(report(finding("mx"), notes=("The store is away.",))).footnote


def test_many_targets_are_one_table_worst_first() -> None:
    card = reports_card([CLEAN, LISTED])
    assert card.title == "1 of 2 targets has a problem that stops mail"
    assert card.table is not None
    assert [row[1] for row in card.table.rows] == ["bad", "good"]


def test_the_acknowledgement_says_what_is_being_done() -> None:
    assert checking_card([Order(Target.of("192.0.2.1"))], 62).title == "Checking 192.0.2.1 against 62 blocklists …"
    assert checking_card([Order(Target(domain="example.com"))], 0).title == "Checking example.com …"


def test_what_receivers_make_of_it_is_one_line_and_no_further_problem() -> None:
    rules = [{"state": "broken", "replies": ["5.7.25"]}, {"state": "met", "replies": ["5.7.26"]}]
    gmail = finding("senders", Verdict.FAIL, "Gmail would refuse this mail.")
    gmail = gmail._replace(facts={"name": "Gmail", "rules": rules})
    yahoo = finding("senders")._replace(facts={"name": "Yahoo", "rules": rules[1:]})
    card = report_card(report(finding("ptr", Verdict.FAIL, "No name."), gmail, yahoo))
    assert [(fact.label, fact.value) for fact in card.facts] == [
        ("Would take this mail", "Gmail no (5.7.25) · Yahoo yes")
    ]
    assert card.title.endswith("1 problem (reverse name)")


HOLDER = finding("network")._replace(
    code="network.holder",
    facts={"asns": [64496], "holder": "Example GmbH", "network": "EX-NET", "abuse": "abuse@example.net"},
)


@pytest.mark.parametrize(
    ("problem", "holder", "said"),
    [
        (listing("A"), HOLDER, ["Example GmbH (AS64496) · complaints go to abuse@example.net"]),
        (finding("ptr", Verdict.FAIL), HOLDER._replace(facts={"asns": [64496], "holder": None}), ["AS64496"]),
        (finding("spf", Verdict.FAIL), HOLDER, []),
        (finding("ptr"), HOLDER, []),
    ],
    ids=["listed", "no reverse name, and little is known", "not the network's business", "all good"],
)
def test_whose_network_it_is_stands_there_where_its_owner_may_have_to_act(
    problem: Finding, holder: Finding, said: list[str]
) -> None:
    assert [fact.value for fact in report_card(report(problem, holder)).facts] == said


def test_what_could_be_better_is_one_quiet_line_and_only_where_nothing_is_wrong() -> None:
    better = [finding(check)._replace(code=f"{check}.missing", step="Publish one.") for check in ("mta-sts", "tls-rpt")]
    (line,) = report_card(report(*better)).lines
    assert (line.text, line.tone) == ("Could be better: an MTA-STS policy and reports about failed TLS.", Tone.PLAIN)
    assert "Could be better" not in words(report_card(report(finding("ptr", Verdict.FAIL, "No name."), *better)))
