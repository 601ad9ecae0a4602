"""Next steps about SPF: whose address it is decides what is added to the record, and where. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.advice import messages
from bot.advice.codes import CODES, OTHER_RETURN_PATH
from bot.advice.evidence import MAX_RECORD_BYTES, Evidence
from bot.advice.spf_corrections import corrected, is_valid
from bot.advice.spf_networks import passes
from bot.advice.steps import Change, Step, is_safe
from bot.checks.lookups import organizational_domain, readable
from bot.checks.mail_services import MailService, any_below, mail_services
from bot.checks.spf.record import VERSION
from bot.checks.spf.result import MAX_LOOKUP_TERMS
from bot.inputs.domain_names import display_domain, quoted
from bot.models import Address, Finding, Role

NOT_PASSED = ("spf.fail", "spf.softfail", "spf.neutral")


def missing_record(evidence: Evidence, finding: Finding) -> Step | None:
    """The first record of a domain: its services by name, its own servers by `mx` or address."""
    domain = evidence.domain
    if finding.facts.get("record"):  # a misspelled record is there, to be corrected
        return None
    if evidence.takes_no_mail:
        return _publish(evidence, f"{VERSION} -all", messages.NO_SENDER)
    services = [service for service in _sending(evidence) if service.include]
    ip = evidence.request.target.ip
    terms = [f"include:{service.include}" for service in services]
    if ip and not evidence.address_service and evidence.request.role is Role.MTA:
        terms.insert(0, f"ip{ip.version}:{ip}")
    elif evidence.exchanges and not evidence.mailbox_services:
        terms.insert(0, "mx")
    if not terms:
        return Step(messages.FIRST_RECORD_UNKNOWN.format(domain=evidence.shown_domain), _change(evidence, domain, ""))
    names = " and ".join(service.name for service in services)
    template = messages.FIRST_RECORD_SERVICES if services else messages.FIRST_RECORD
    return _publish(evidence, " ".join([VERSION, *dict.fromkeys(terms), "~all"]), template, services=names)


def not_listed(evidence: Evidence, finding: Finding) -> Step | None:
    """How the checked address gets a pass, if it is the domain's to send from."""
    ip = evidence.request.target.ip
    if ip is None:
        return None
    if not evidence.owns(evidence.domain):
        owner = owner_of(evidence, evidence.domain)
        return Step(
            messages.ALIAS.format(domain=evidence.shown_domain, owner=owner, ip=ip),
            _change(evidence, evidence.domain, "", owner=owner),
        )
    if skipped := [other for other in evidence.findings if other.code == "spf.skipped-term"]:
        text = " ".join(dict.fromkeys(other.remediation for other in skipped))
        return Step(messages.CORRECT_FIRST.format(steps=text, ip=ip), _change(evidence, evidence.domain, ""))
    mechanism, where = str(finding.facts.get("mechanism") or ""), str(finding.facts.get("matched_in") or "")
    if mechanism[:1] in "-~?" and mechanism[1:].lower() not in ("", "all") and evidence.owns(where):
        values = {"term": quoted(mechanism), "domain": display_domain(where), "ip": ip}
        return Step(messages.EXCLUDED.format_map(values), _change(evidence, where, ""))
    if service := evidence.address_service:
        return _service_step(evidence, ip, service)
    return _own_address(evidence, ip)


def other_return_path(evidence: Evidence, finding: Finding) -> Finding | None:
    """What stands in the place of a failed SPF result where receivers evaluate another domain's record."""
    ip, service = evidence.request.target.ip, evidence.address_service
    if finding.code not in NOT_PASSED or service is None or service.return_path != "own":
        return None
    selector = next((name for name, alias in evidence.selectors.items() if any_below((alias,), service.dkim)), "")
    text = CODES[OTHER_RETURN_PATH].variant("signed" if selector else "")
    values = {"ip": ip, "service": service.name, "domain": evidence.shown_domain, "console": service.console}
    summary, remediation = text.fill(values | {"selector": display_domain(selector)})
    return finding._replace(code=OTHER_RETURN_PATH, verdict=text.verdict, summary=summary, remediation=remediation)


def permanent_error(evidence: Evidence, finding: Finding) -> Step | None:
    """The quickest repair for the address: a term in front ends the evaluation before the error."""
    ip = evidence.request.target.ip
    if ip is None or evidence.address_service or not evidence.spf.root or not evidence.owns(evidence.domain):
        return None
    if not is_valid(evidence.spf.root):
        return syntax_error(evidence, finding)
    new = _in_front(evidence.spf.root, f"ip{ip.version}:{ip}")
    if len(new.encode()) > MAX_RECORD_BYTES:
        return None
    text = messages.ADDRESS_FIRST.format(domain=evidence.shown_domain, ip=ip, term=f"ip{ip.version}:{ip}")
    return Step(f"{finding.remediation} {text}".strip(), _change(evidence, evidence.domain, new))


def syntax_error(evidence: Evidence, finding: Finding) -> Step | None:
    """The whole record as it was meant, where that is clear; a fault in a record of somebody else's is theirs."""
    where = str(finding.facts.get("where") or evidence.domain)
    if where != evidence.domain or not evidence.owns(where):
        return foreign_record(evidence, finding)
    new = corrected(evidence.spf.root)
    if not new or not is_safe(evidence.spf.root, new, evidence.spf):
        return None
    text = messages.CORRECT_RECORD.format(domain=evidence.shown_domain, new=new)
    return Step(text, _change(evidence, evidence.domain, new))


def foreign_record(evidence: Evidence, finding: Finding) -> Step | None:
    """A fault in a record of somebody else's: their business, or the include's removal."""
    where = str(finding.facts.get("where") or "")
    if not where or evidence.owns(where):
        return None
    terms = [term for term in evidence.spf.root.split() if _leads_to(evidence, term, where)]
    owner = owner_of(evidence, where)
    if not terms:
        return Step(
            messages.ASK_OWNER.format(owner=owner, where=display_domain(where)), Change(where, "TXT", owner=owner)
        )
    text = messages.REMOVE_TERM if finding.code == "spf.allows-everyone" else messages.ASK_OR_REMOVE
    values = {"term": quoted(terms[0]), "domain": evidence.shown_domain, "owner": owner, "where": display_domain(where)}
    return Step(text.format_map(values), _change(evidence, evidence.domain, ""))


def _service_step(evidence: Evidence, ip: Address, service: MailService) -> Step:
    """The address is shared by all customers of a service, so it is never listed by itself."""
    values = {"ip": ip, "service": service.name, "domain": evidence.shown_domain, "console": service.console}
    if not service.include:
        return Step(
            messages.INCLUDE_OF_ACCOUNT.format_map(values),
            Change(evidence.domain, "TXT", console=service.console, owner=service.name),
        )
    term = f"include:{service.include}"
    if term in evidence.spf.root.lower().split():
        return Step(messages.INCLUDED_BUT_NOT_LISTED.format_map(values | {"term": term}))
    new = before_default(evidence.spf.root, term)
    fits = _lookups(evidence, evidence.spf.root) + service.lookups <= MAX_LOOKUP_TERMS and is_safe(
        evidence.spf.root, new, evidence.spf
    )
    template = messages.INCLUDE_SERVICE if fits else messages.INCLUDE_NO_ROOM
    return Step(
        template.format_map(values | {"term": term, "new": new}),
        _change(evidence, evidence.domain, new if fits else ""),
    )


def _own_address(evidence: Evidence, ip: Address) -> Step:
    term = f"ip{ip.version}:{ip}"
    new = _in_front(evidence.spf.root, term)
    safe = is_safe(evidence.spf.root, new, evidence.spf)
    size, lookups = len(new.encode()), _lookups(evidence, evidence.spf.root)
    values = {"ip": ip, "term": term, "domain": evidence.shown_domain, "size": size, "count": lookups}
    if safe:
        template = messages.ADD_ADDRESS
    elif size > MAX_RECORD_BYTES:
        template = messages.NO_ROOM if lookups >= MAX_LOOKUP_TERMS else messages.RECORD_TOO_LONG
    else:
        template = messages.TOO_MANY_LOOKUPS
    text = template.format_map(values)
    if mailbox := next(iter(evidence.mailbox_services), None):
        text += " " + messages.SHARED_HOST.format(service=mailbox.name, domain=evidence.shown_domain)
    return Step(text, _change(evidence, evidence.domain, new if safe else ""))


def unneeded_terms(evidence: Evidence) -> dict[str, str]:
    """Terms of the domain's own record that let nobody pass who needs it, with the reason."""
    unneeded: dict[str, str] = {}
    terms = evidence.spf.root.lower().split()[1:]
    if (service := evidence.receiving_service) and "mx" in (term.lstrip("+") for term in terms):
        unneeded["mx"] = messages.MX_RECEIVES.format(service=service.name)
    for service in evidence.services:
        term = f"include:{service.include}"
        if service.return_path == "own" and service.include and term in terms:
            unneeded[term] = messages.RETURN_PATH.format(service=service.name)
    return unneeded


def before_default(record: str, term: str) -> str:
    """The record with a term where only senders that nothing else matches reach it."""
    words = record.split()
    ends = (
        index
        for index, word in enumerate(words)
        if word.lower().lstrip("+-~?") == "all" or word.lower().startswith("redirect=")
    )
    index = next(ends, len(words))
    return " ".join([*words[:index], term, *words[index:]])


def _sending(evidence: Evidence) -> Iterable[MailService]:
    """Services that send with the domain's own return path, and that of the checked address."""
    of_address = [evidence.address_service] if evidence.address_service else []
    services = dict.fromkeys((*evidence.services, *of_address))
    return (service for service in services if service.return_path != "own")


def _publish(evidence: Evidence, record: str, template: str, **values: str) -> Step:
    text = template.format_map({"domain": evidence.shown_domain, "record": record, **values})
    return Step(text, _change(evidence, evidence.domain, record))


def _change(evidence: Evidence, name: str, new: str, owner: str = "") -> Change:
    return Change(name, "TXT", evidence.spf.records.get(name, ""), new, owner=owner)


def _in_front(record: str, term: str) -> str:
    return f"{VERSION} {term}{record[len(VERSION) :]}"


def _lookups(evidence: Evidence, record: str) -> int:
    result = passes(record, evidence.spf)
    return result.lookups if result else 0


def _leads_to(evidence: Evidence, term: str, where: str) -> bool:
    """Whether a term of the domain's own record includes a record, over any number of others."""
    name = term.lower().lstrip("+-~?").partition(":")[2] or term.lower().partition("=")[2]
    visited: set[str] = set()
    queue = [name]
    while queue:
        name = queue.pop()
        if name == where:
            return True
        if name in visited or name not in evidence.spf.records:
            continue
        visited.add(name)
        queue += [
            part.lstrip("+-~?").partition(":")[2] or part.partition("=")[2]
            for part in evidence.spf.records[name].lower().split()
        ]
    return False


def owner_of(evidence: Evidence, name: str) -> str:
    """Whose record it is: the service, else the organizational domain."""
    target = evidence.spf.aliases.get(name, name)
    below = (
        service.name
        for service in mail_services()
        for suffix in (*service.spf, *service.dkim)
        if f".{target}".endswith(f".{suffix}")
    )
    return next(below, readable(organizational_domain(target)))
