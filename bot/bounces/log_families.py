"""What the lines of each mail server's log mean: one parser for a family, chosen by program or by a mark in the line.

A parser gives None for a line that tells of no recipient. Formats: the logs' own documentation, named at each parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bot.bounces.classify import explain
from bot.bounces.log_lines import LogEvent, LogLine, Sessions, State
from bot.bounces.protocol_logs import RCPT, parse_hmailserver, parse_mailenable, parse_mdaemon
from bot.bounces.qmail_logs import parse_qmail, parse_rblsmtpd, parse_spamdyke

Parser = Callable[[LogLine, Sessions], LogEvent | None]

HOST = r"(?P<host>[^\s\[\],]{1,255}?)\.? ?\[[0-9a-fA-F.:]{2,45}\]"
FIELD = re.compile(r'\b([a-z-]{2,20})=("[^"]*"|<[^<>]*>|[^\s,"<]*)')

# https://www.postfix.org/DEBUG_README.html, https://www.postfix.org/postfix.1.html
POSTFIX_DELIVERY = re.compile(
    r"(?:(?P<id>[0-9A-Za-z]{1,20}): )?to=<(?P<recipient>[^<>]{0,320})>, (?:orig_to=<[^<>]{0,320}>, )?"
    r"relay=(?P<relay>[^\s\[,]{1,255})[^\s,]{0,80}, (?:[a-z_]{1,20}=[^\s,]{0,80}, ){0,8}?"
    r"(?:dsn=(?P<status>[245]\.\d{1,3}\.\d{1,3}), )?status=(?P<state>[a-z]{1,20}) ?"
)
POSTFIX_STATES = {
    "sent": State.SENT,
    "deferred": State.DEFERRED,
    "softbounce": State.DEFERRED,
    "bounced": State.BOUNCED,
    "undeliverable": State.BOUNCED,
}
POSTFIX_SAID = re.compile(rf"host {HOST} (?:said|refused to talk to me): ")
POSTFIX_COMMAND = re.compile(r" \(in reply to [^()]{0,60}\)$")
POSTFIX_ATTEMPT = re.compile(
    rf"(?:(?P<id>[0-9A-Za-z]{{1,20}}): )?(?:host {HOST} (?:said|refused to talk to me): "
    r"|(?=connect to \S{1,300}: |lost connection with |Cannot start TLS|TLS is required))"
)
POSTFIX_REJECT = re.compile(
    r"(?:NOQUEUE|[0-9A-Za-z]{1,20}): (?:milter-)?reject: (?:[A-Z]{3,8}|END-OF-MESSAGE|CONNECT|header|body)\b.{0,600}? "
    r"from [^\s\[]{0,255}(?:\[(?P<client>[0-9A-Fa-f.:]{2,45})\](?::\d{1,5})?)?[:;] "
)
POSTFIX_RECIPIENT = re.compile(r" to=<([^<>]{1,320})>")
POSTFIX_REMOVED = re.compile(r"([0-9A-Za-z]{1,20}): removed$")
POSTFIX_EXPIRED = re.compile(r"([0-9A-Za-z]{1,20}): from=<[^<>]{0,320}>, status=(?:force-)?expired")

# https://www.exim.org/exim-html-current/doc/html/spec_html/ch-log_files.html
EXIM_MESSAGE = re.compile(
    r"(?:\[\d{1,10}\] )?(?P<id>[0-9A-Za-z]{4,8}-[0-9A-Za-z]{2,12}(?:-[0-9A-Za-z]{2,4})?) "
    r"(?P<mark>\*\*|==|=>|->|\*>|>>|Completed|H=|SMTP error from|Remote host) ?"
)
EXIM_STATES = {"**": State.BOUNCED, "==": State.DEFERRED, "=>": State.SENT, "->": State.SENT, "*>": State.SENT}
EXIM_SAID = re.compile(
    rf"H={HOST}.{{0,400}}? SMTP error from remote mail(?: server|er) after "
    r"[^:]{1,40}(?::<[^<>\s]{0,320}>)?[^:]{0,40}: "
)
EXIM_REJECT = re.compile(
    r"\b(?:temporarily )?rejected (?:RCPT|MAIL|DATA|after DATA|EHLO|HELO|VRFY|EXPN|AUTH|STARTTLS|connection|during)\b"
)
EXIM_HOST = re.compile(rf"\bH={HOST}")
EXIM_CLIENT = re.compile(r"\bH=(?:[^\s\[\]]{1,255} )?(?:\([^()]{0,255}\) )?\[([0-9A-Fa-f.:]{2,45})\]")
EXIM_BAD_LOGIN = re.compile(r"\bauthenticator failed for .{0,400}?\[([0-9A-Fa-f.:]{2,45})\](?::\d{1,5})?: (?=5\d\d)")
EXIM_RECIPIENT = re.compile(r"rejected RCPT <?([^\s<>:]{1,320})")

# Sendmail Installation and Operation Guide, chapter 2.1 ("The System Log")
SENDMAIL_ID = re.compile(r"([0-9A-Za-z]{2,20}): ")
SENDMAIL_RELAY = re.compile(rf" relay={HOST}")
SENDMAIL_CLIENT = re.compile(r" relay=[^\s,]{0,255} ?\[([0-9A-Fa-f.:]{2,45})\]")
SENDMAIL_ARGUMENT = re.compile(r" arg1=<?([^\s<>,]{1,320})")
SENDMAIL_STATUS = re.compile(r" dsn=([45]\.\d{1,3}\.\d{1,3})(?:,|$)")
SENDMAIL_RECIPIENTS = re.compile(r" to=((?:<[^<>]{0,320}>,?|[^\s,]{1,320},(?! )){0,100}[^\s,]{0,320})")
WITHOUT_BRACKETS = str.maketrans("", "", "<>")
SENDMAIL_REPLY = re.compile(r"\((?=[45]\d\d)(.{4,2000})\)$")

# https://man.openbsd.org/smtpd.8; the older form is that of OpenSMTPD 5
OPENSMTPD_OLD = re.compile(
    r"(?:relay|mta|lmtp|mda|delivery): (PermFail|TempFail|Ok|LoopDetected|Error) for ([0-9a-f]{8,16}):"
)
OPENSMTPD_STATES = {
    "ok": State.SENT,
    "tempfail": State.DEFERRED,
    "permfail": State.BOUNCED,
    "loopdetected": State.BOUNCED,
    "error": State.BOUNCED,
}
HARAKA_ID = re.compile(r"\[([0-9A-Z][0-9A-F-]{0,40}(?:\.\d{1,6}){1,3})\]")
HARAKA_DENIED = re.compile(
    r"\bdeny(?:soft)?(?:\([a-z?]{0,10}\))?:? .{0,400}?(?:\bplugin=\S{1,80} |: (?=[45]\d\d ))(.{1,2000})"
)
HARAKA_RECIPIENT = re.compile(r"\brcpt[_ ]to:? <?([^\s<>]{1,320})")
HARAKA_REPLY = re.compile(
    r"(?:recipient <(?P<refused>[^<>\s]{1,320})> rejected|failure for <(?P<deferred>[^<>\s]{1,320})>): "
)
HARAKA_REPEATED = '"Some recipients failed'  # after a line of its own for each of them
HARAKA_CLIENT = re.compile(r"\[?([0-9A-Fa-f.:]{7,45})\]?")
PARENTHESES = re.compile(r"\(([^()\s]{1,255})\)")

# A reply in a line of a program that is not known: after a mark, with a code of the registry.
REGISTERED_CODES = r"(?:4(?:21|22|3[12]|5[0-9])|5(?:0[0-4]|1[0-2]|2[1-5]|3[0-8]|4[0-9]|5[0-9]|7[01]))"
QUOTED_REPLY = re.compile(
    r"(?:^|[:=>\"'(\[{] ?|[45]\.\d{1,3}\.\d{1,3} |\b(?:said|reply|response|error|returned|code|status|smtp;) )"
    rf"(?={REGISTERED_CODES}[ -])|\b(?:code|status|reply|response) ?[=:] ?\"?(?={REGISTERED_CODES}[,\"])"
)
GENERIC_RECIPIENT = re.compile(r"\b(?:to|rcpt|recipient)[=:] ?\"?<?([^\s<>,;\"]{1,255}@[^\s<>,;\"]{1,255})")
GENERIC_MESSAGE = re.compile(r"\b(?:job|id|msgid|message-id|queue|queue_id|qid|mail)[=:] ?\"?<?([\w.@+-]{1,200})")
GENERIC_SENT = re.compile(r"\bstatus=sent\b|\b250 2\.\d\.\d |[=:\"'] ?250[ -]")
GENERIC_STATUS = re.compile(r"[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}\b")


def parse_postfix(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """Postfix, every instance and service."""
    body, attempt = line.body, f"{line.program}[{line.process}]"
    if "status=" in body:
        if delivery := POSTFIX_DELIVERY.match(body):
            return _postfix_delivery(line, delivery, attempt)
        if expired := POSTFIX_EXPIRED.match(body):
            return LogEvent(State.EXPIRED, line.text, expired[1], day=line.day)
    elif "reject: " in body:
        return _postfix_reject(line)
    elif removed := POSTFIX_REMOVED.match(body):
        return LogEvent(State.REMOVED, line.text, removed[1], day=line.day)
    elif (match := POSTFIX_ATTEMPT.match(body)) and not line.program.endswith("smtpd"):
        return LogEvent(
            State.ATTEMPT, line.text, match["id"] or "", reply=_reply(body[match.end() :]), host=match["host"],
            attempt=attempt, day=line.day,
        )  # fmt: skip
    return None


def _postfix_delivery(line: LogLine, delivery: re.Match[str], attempt: str) -> LogEvent | None:
    state = POSTFIX_STATES.get(delivery["state"])
    if state is None:
        return None
    relay = delivery["relay"] if delivery["relay"] != "none" else None
    event = LogEvent(
        state, line.text, delivery["id"] or "", delivery["recipient"], host=relay, attempt=attempt, day=line.day
    )
    if state is State.SENT:
        return event
    reason = line.body[delivery.end() :].removeprefix("(").removesuffix(")")
    said = POSTFIX_SAID.match(reason)
    return LogEvent(
        state, line.text, event.message, event.recipient, _reply(reason[said.end() :] if said else reason),
        delivery["status"], said["host"] if said else relay, attempt, day=line.day,
    )  # fmt: skip


def _reply(text: str) -> str:
    return POSTFIX_COMMAND.sub("", text)


def _postfix_reject(line: LogLine) -> LogEvent | None:
    match = POSTFIX_REJECT.match(line.body)
    if match is None:
        return None
    reply, _, envelope = line.body[match.end() :].partition("; from=<")
    recipient = POSTFIX_RECIPIENT.search(envelope)
    return LogEvent(
        State.REFUSED, line.text, recipient=recipient[1] if recipient else "", reply=reply, client=match["client"],
        day=line.day,
    )  # fmt: skip


def parse_exim(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """Exim's main log."""
    message = EXIM_MESSAGE.match(line.body)
    if message is None:
        return _exim_reject(line)
    rest = line.body[message.end() :]
    state = EXIM_STATES.get(message["mark"])
    if message["mark"] == "Completed":
        return LogEvent(State.REMOVED, line.text, message["id"], day=line.day)
    if state is None and EXIM_REJECT.search(rest):
        return _exim_reject(line)
    text = rest if state else f"{message['mark']}{rest}"
    said = EXIM_SAID.search(text)
    recipient = rest.partition(" ")[0].rstrip(":") if state else ""
    reply = text[said.end() :] if said else text.removeprefix(recipient)
    return LogEvent(
        state or State.ATTEMPT, line.text, message["id"], recipient, reply, host=_exim_host(said, text),
        attempt=message["id"], day=line.day,
    )  # fmt: skip


def _exim_host(quote: re.Match[str] | None, text: str) -> str | None:
    match = quote or EXIM_HOST.search(text)
    return match["host"] if match else None


def _exim_reject(line: LogLine) -> LogEvent | None:
    if login := EXIM_BAD_LOGIN.search(line.body):
        return LogEvent(State.REFUSED, line.text, reply=line.body[login.end() :], client=login[1], day=line.day)
    match = EXIM_REJECT.search(line.body)
    if match is None:
        return None
    client, recipient = EXIM_CLIENT.search(line.body), EXIM_RECIPIENT.search(line.body)
    return LogEvent(
        State.REFUSED, line.text, recipient=recipient[1] if recipient else "", reply=line.body[match.end() :],
        client=client[1] if client else None, day=line.day,
    )  # fmt: skip


def parse_sendmail(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """Sendmail and its relatives: deliveries have stat=, refusals of others reject=."""
    queue_id = SENDMAIL_ID.match(line.body)
    if " reject=" in line.body:
        reply = line.body.partition(" reject=")[2]
        client = SENDMAIL_CLIENT.search(line.body)
        recipient = SENDMAIL_ARGUMENT.search(line.body)
        return LogEvent(
            State.REFUSED, line.text, recipient=recipient[1] if recipient else "", reply=reply,
            client=client[1] if client else None, day=line.day,
        )  # fmt: skip
    fields, has_status, result = line.body.partition(", stat=")
    if not has_status or queue_id is None or " to=" not in fields:
        return None
    state = _sendmail_state(result)
    host, status, quoted = (
        SENDMAIL_RELAY.search(fields),
        SENDMAIL_STATUS.search(fields),
        SENDMAIL_REPLY.search(result),
    )
    recipients = SENDMAIL_RECIPIENTS.search(fields)
    reply = fields.partition(", reply=")[2] or (quoted[1] if quoted else result)
    return state and LogEvent(
        state, line.text, queue_id[1], recipients[1].translate(WITHOUT_BRACKETS).strip(",") if recipients else "",
        reply, status[1] if status else None, host["host"] if host else None,
        queue_id[1], day=line.day,
    )  # fmt: skip


def _sendmail_state(result: str) -> State | None:
    if result.startswith("Sent"):
        return State.SENT
    if result.startswith("queued"):
        return None
    return State.DEFERRED if result.startswith("Deferred") else State.BOUNCED


def parse_opensmtpd(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """OpenSMTPD, the old form (`relay: PermFail for …`) and the new one (`mta delivery … result=`)."""
    old = OPENSMTPD_OLD.match(f"{line.program}: {line.body}") or OPENSMTPD_OLD.match(line.body)
    fields = dict(FIELD.findall(line.body))
    result = (old[1] if old else fields.get("result", "")).strip('"')
    reply = fields.get("stat", "").strip('"') or line.body.partition("stat=")[2]
    if "failed-command" in line.body:
        refused = RCPT.search(fields.get("command", ""))
        return LogEvent(
            State.REFUSED, line.text, recipient=refused[1] if refused else "", reply=result,
            client=fields.get("address"), day=line.day,
        )  # fmt: skip
    state = OPENSMTPD_STATES.get(result.lower())
    if state is None or not (old or " delivery " in f" {line.body}"):
        return None
    relay = fields.get("relay", "").strip('"')
    host = PARENTHESES.search(relay) or PARENTHESES.search(line.body.partition("relay=")[2])
    return LogEvent(
        state, line.text, _opensmtpd_id(line, old, fields), fields.get("to", "").strip("<>"),
        line.body.partition("stat=")[2].strip('"') or reply, host=host[1] if host else None, day=line.day,
    )  # fmt: skip


def _opensmtpd_id(line: LogLine, old: re.Match[str] | None, fields: Mapping[str, str]) -> str:
    """The envelope, which every attempt names; the session in front differs for each."""
    return old[2] if old else fields.get("evpid") or line.body.partition(" ")[0]


def parse_haraka(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """Haraka's outbound: `hmail bounced`, `delivered file=…`, `deferred`; and what its own server denied."""
    if denied := HARAKA_DENIED.search(line.body):
        recipient = HARAKA_RECIPIENT.search(line.body)
        client = HARAKA_CLIENT.search(denied[1])
        return LogEvent(
            State.REFUSED, line.text, recipient=recipient[1] if recipient else "", reply=denied[1],
            client=client[1] if client else None, day=line.day,
        )  # fmt: skip
    if "[PROTOCOL]" in line.body and "[outbound]" not in line.body:
        return LogEvent(State.REMOVED, line.text)  # the dialogue, which the notice repeats
    if "[outbound]" not in line.body:
        return None
    message = HARAKA_ID.search(line.body)
    message_id = message[1] if message else ""
    if quoted := HARAKA_REPLY.search(line.body):
        state = State.BOUNCED if quoted["refused"] else State.DEFERRED
        refused = quoted["refused"] or quoted["deferred"]
        return LogEvent(state, line.text, message_id, refused, line.body[quoted.end() :], day=line.day)
    if HARAKA_REPEATED in line.body:
        return None
    fields = {name: value.strip('"') for name, value in FIELD.findall(line.body)}
    if "delivered" in line.body:
        state = State.SENT
    elif "bounc" in line.body:
        state = State.BOUNCED
    elif "defer" in line.body or "temp fail" in line.body:
        state = State.DEFERRED
    else:
        return None
    reply = fields.get("response") or fields.get("reason") or fields.get("err") or line.body
    return LogEvent(
        state, line.text, message_id, fields.get("rcpt", "").strip("<>"), reply, host=fields.get("host"), day=line.day
    )


def parse_unknown(line: LogLine, _sessions: Sessions) -> LogEvent | None:
    """A line of an unknown program, if it quotes an SMTP reply.

    A number is a reply only beside a recipient, before an enhanced code, or with a known reason.
    """
    quote = QUOTED_REPLY.search(line.body)
    recipient, message = GENERIC_RECIPIENT.search(line.body), GENERIC_MESSAGE.search(line.body)
    address, message_id = recipient[1] if recipient else "", message[1] if message else ""
    if GENERIC_SENT.search(line.body):
        is_known = bool(address and message_id)
        return LogEvent(State.SENT, line.text, message_id, address, day=line.day) if is_known else None
    if quote is None:
        return None
    reply = line.body[quote.end() :]
    if not (address or GENERIC_STATUS.match(reply) or explain(reply).certain):
        return None
    state = State.BOUNCED if reply.startswith("5") else State.DEFERRED
    return LogEvent(state, line.text, message_id if address else "", address, line.body, day=line.day)


PARSERS_BY_PROGRAM: dict[str, Parser] = {
    "postfix": parse_postfix,
    "exim": parse_exim,
    "exim4": parse_exim,
    "sendmail": parse_sendmail,
    "sm-mta": parse_sendmail,
    "sm-msp-queue": parse_sendmail,
    "smtpd": parse_opensmtpd,
    "relay": parse_opensmtpd,
    "mta": parse_opensmtpd,
    "qmail": parse_qmail,
    "qmail-send": parse_qmail,
    "rblsmtpd": parse_rblsmtpd,
    "spamdyke": parse_spamdyke,
    "haraka": parse_haraka,
}
# By a mark in a line whose program is not named: the first parser that reads it.
PARSERS_BY_MARK: tuple[tuple[str, Parser], ...] = (
    ("[outbound]", parse_haraka),
    ("] [core] ", parse_haraka),
    ("SMTP-", parse_mailenable),
    ('"SMTP', parse_hmailserver),
    ("--", parse_mdaemon),
    ("delivery ", parse_qmail),
    ("starting delivery", parse_qmail),
    ("end msg", parse_qmail),
    ("relay: ", parse_opensmtpd),
    (" delivery evpid=", parse_opensmtpd),
    ("status=", parse_postfix),
    (": reject: ", parse_postfix),
    ("", parse_exim),
)


def parse_line(line: LogLine, sessions: Sessions) -> LogEvent | None:
    """The event that a line tells of, None if it tells of no recipient."""
    program = line.program.partition("/")[0].lower()
    parser = PARSERS_BY_PROGRAM.get(program) or PARSERS_BY_PROGRAM.get(program.partition("-")[0])
    if parser:
        return parser(line, sessions)
    for mark, parse in PARSERS_BY_MARK:
        if mark in line.body and (event := parse(line, sessions)):
            return event
    return parse_unknown(line, sessions)
