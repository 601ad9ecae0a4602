"""Mail logs of every family, made from messages whose fate is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice

SENDER, CLIENT = "203.0.113.5", "203.0.113.77"
RECEIVER, RECEIVER_IP = "mx.example.com", "198.51.100.1"
LISTED = f"554 5.7.1 Service unavailable; Client host [{SENDER}] blocked using zen.spamhaus.org"
UNKNOWN = "550 5.1.1 User unknown"
FULL = "452 4.2.2 Mailbox full"
GREYLISTED = "450 4.2.0 Greylisted, please try again in 300 seconds"
REFUSED = f"554 5.7.1 Service unavailable; Client host [{CLIENT}] blocked using bl.spamcop.net"
CAUSES = {
    LISTED: ("blocklist", "spamhaus-zen"),
    UNKNOWN: ("mailbox-unknown", ""),
    FULL: ("mailbox-full", ""),
    GREYLISTED: ("greylist", ""),
    REFUSED: ("blocklist", "spamcop"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one recipient: attempts that were deferred, then delivered, bounced or still in the queue.

    `inbound`: the own server refused it.
    """

    number: int
    deferrals: tuple[str, ...] = ()
    bounce: str = ""
    delivered: bool = False
    inbound: str = ""

    @property
    def id(self) -> str:
        return f"{self.number:08X}"

    @property
    def recipient(self) -> str:
        return f"u{self.number}@example.com"

    @property
    def attempts(self) -> Iterator[tuple[str, str]]:
        """State and reply of every attempt."""
        yield from (("deferred", reply) for reply in self.deferrals)
        if self.bounce:
            yield "bounced", self.bounce
        elif self.delivered:
            yield "sent", "250 2.0.0 OK"


KINDS: tuple[Callable[[int], Message], ...] = (
    lambda number: Message(number, delivered=True),
    lambda number: Message(number, bounce=LISTED),
    lambda number: Message(number, deferrals=(GREYLISTED,), delivered=True),
    lambda number: Message(number, delivered=True),
    lambda number: Message(number, deferrals=(FULL, FULL, FULL)),
    lambda number: Message(number, bounce=UNKNOWN),
    lambda number: Message(number, inbound=REFUSED),
    lambda number: Message(number, deferrals=(GREYLISTED,), bounce=LISTED),
    lambda number: Message(number, delivered=True),
    lambda number: Message(number, inbound=REFUSED),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the sum of a log has to say."""

    bounced: int
    deferred: int
    recovered: int
    sent: int
    refused_by_us: int
    causes: Mapping[tuple[str, str], int]


def messages(number: int) -> Iterator[Message]:
    """Messages of every kind, in turn."""
    return (make(index) for index, make in enumerate(islice(cycle(KINDS), number)))


def truth(of: Iterable[Message], *, has_sent: bool, has_inbound: bool) -> Truth:
    """The truth of the messages, in a log that has deliveries and of the own server's refusals or not."""
    totals: Counter[str] = Counter()
    causes: Counter[tuple[str, str]] = Counter()
    for message in of:
        if message.inbound:
            totals["inbound"] += has_inbound
            continue
        if message.delivered and has_sent:
            totals["sent"] += 1
            totals["recovered"] += bool(message.deferrals)
        elif message.bounce or message.deferrals:
            totals["bounced" if message.bounce else "deferred"] += 1
            causes[CAUSES[message.bounce or message.deferrals[-1]]] += 1
    return Truth(
        totals["bounced"], totals["deferred"], totals["recovered"], totals["sent"], totals["inbound"], dict(causes)
    )


Render = Callable[[Message], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Family:
    """A family of logs: how a message looks in it, and what it has."""

    name: str
    render: Render
    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    between: str = ""
    has_sent: bool = True
    has_inbound: bool = False

    def lines(self, of: Iterable[Message]) -> Iterator[str]:
        """The lines of the log."""
        blocks = filter(None, map(tuple, map(self.render, of)))
        yield from self.head
        for index, block in enumerate(blocks):
            if index and self.between:
                yield self.between
            yield from block
        yield from self.tail

    def truth(self, of: Iterable[Message]) -> Truth:
        """What the sum of this log has to say."""
        return truth(of, has_sent=self.has_sent, has_inbound=self.has_inbound)


def postfix_bodies(message: Message) -> Iterator[tuple[str, str]]:
    """Program and text of each line."""
    if message.inbound:
        yield (
            "postfix/smtpd",
            f"NOQUEUE: reject: RCPT from unknown[{CLIENT}]: {message.inbound}; from=<x@example.net>"
            f" to=<{message.recipient}> proto=ESMTP helo=<x>",
        )
        return
    yield "postfix/qmgr", f"{message.id}: from=<b@example.org>, size=450, nrcpt=1 (queue active)"
    for state, reply in message.attempts:
        said = (
            f"host {RECEIVER}[{RECEIVER_IP}] said: {reply} (in reply to RCPT TO command)" if state != "sent" else reply
        )
        if state == "deferred":
            yield "postfix/smtp", f"{message.id}: {said}"
        yield (
            "postfix/smtp",
            f"{message.id}: to=<{message.recipient}>, relay={RECEIVER}[{RECEIVER_IP}]:25, delay=0.6,"
            f" delays=0.1/0/0.4/0.1, dsn={reply[4:9]}, status={state} ({said})",
        )
    if message.bounce or message.delivered:
        yield "postfix/qmgr", f"{message.id}: removed"


def postfix(prefix: str) -> Render:
    """Postfix with what stands before the program, and `-out` for an instance of that name."""
    return lambda message: [
        f"{prefix}{program}[{100 + message.number % 7}]: {text}" for program, text in postfix_bodies(message)
    ]


def journald(as_bytes: bool) -> Render:
    def render(message: Message) -> Iterator[str]:
        for program, text in postfix_bodies(message):
            value = list(text.encode()) if as_bytes else text
            yield json.dumps({"SYSLOG_IDENTIFIER": program, "_PID": str(100 + message.number % 7), "MESSAGE": value})

    return render


def wrapped(wrap: Callable[[str], str]) -> Render:
    """Lines of Postfix in a store's export."""
    plain = postfix("Nov 24 07:40:11 mail ")
    return lambda message: map(wrap, plain(message))


def exim(message: Message) -> Iterator[str]:
    time, queue_id = "2026-11-24 07:40:11", f"1t{message.number:04d}-{message.id}-2D"
    if message.inbound:
        yield f"{time} H=(x) [{CLIENT}] F=<x@example.net> rejected RCPT <{message.recipient}>: {message.inbound}"
        return
    host = f"R=dnslookup T=remote_smtp H={RECEIVER} [{RECEIVER_IP}]"
    error = f"SMTP error from remote mail server after RCPT TO:<{message.recipient}>:"
    for state, reply in message.attempts:
        if state == "sent":
            yield f'{time} {queue_id} => {message.recipient} {host} C="{reply}"'
        elif state == "deferred":
            yield f"{time} {queue_id} H={RECEIVER} [{RECEIVER_IP}]: {error} {reply}"
            yield f"{time} {queue_id} == {message.recipient} {host} defer (-44): {error} {reply}"
        else:
            yield f"{time} {queue_id} ** {message.recipient} {host}: {error} {reply}"
    if message.bounce or message.delivered:
        yield f"{time} {queue_id} Completed"


def sendmail(message: Message) -> Iterator[str]:
    prefix = f"Nov 24 07:40:11 mail sm-mta[9]: {message.id}"
    if message.inbound:
        yield f"{prefix}: ruleset=check_rcpt, arg1=<{message.recipient}>, relay=x [{CLIENT}], reject={message.inbound}"
    stats = {"sent": "Sent (Ok)", "deferred": "Deferred ({})", "bounced": "Service unavailable ({})"}
    for state, reply in message.attempts:
        yield (
            f"{prefix}: to=<{message.recipient}>, delay=00:00:01, mailer=esmtp, relay={RECEIVER}. [{RECEIVER_IP}],"
            f" dsn={reply[4:9]}, stat={stats[state].format(reply)}"
        )


OPENSMTPD_RESULTS = {"sent": "Ok", "deferred": "TempFail", "bounced": "PermFail"}


def opensmtpd(message: Message) -> Iterator[str]:
    prefix = "Jun 14 17:15:00 mail smtpd[174]:"
    if message.inbound:
        yield (
            f"{prefix} {message.id}ab smtp failed-command address={CLIENT} host=x"
            f' command="RCPT TO:<{message.recipient}>" result="{message.inbound}"'
        )
    for session, (state, reply) in enumerate(message.attempts):  # each attempt is a session of its own
        yield (
            f"{prefix} {message.id}{session:02x} mta delivery evpid={message.id}cd from=<b@example.org>"
            f" to=<{message.recipient}>"
            f' rcpt=<-> source="{SENDER}" relay="{RECEIVER_IP} ({RECEIVER})" delay=2s'
            f' result="{OPENSMTPD_RESULTS[state]}" stat="{reply}"'
        )


def opensmtpd_old(message: Message) -> Iterator[str]:
    for state, reply in message.attempts:
        yield (
            f"Jun 14 17:15:00 mail smtpd[174]: relay: {OPENSMTPD_RESULTS[state]} for {message.id.lower()}abcd1234:"
            f" session=78{message.id.lower()}, from=<b@example.org>, to=<{message.recipient}>, rcpt=<->,"
            f" source={SENDER}, relay={RECEIVER_IP} ({RECEIVER}), delay=2s, stat={reply}"
        )


TAI64N = "@400000006543210f1234abcd"


def qmail(message: Message) -> Iterator[str]:
    results = {"sent": "success", "deferred": "deferral", "bounced": "failure"}
    for attempt, (state, reply) in enumerate(message.attempts):
        delivery = message.number * 10 + attempt
        said = f"Remote_host_said:_{reply.replace(' ', '_')}/Giving_up_on_{RECEIVER_IP}./"
        yield f"{TAI64N} starting delivery {delivery}: msg {message.number} to remote {message.recipient}"
        yield f"{TAI64N} delivery {delivery}: {results[state]}: {RECEIVER_IP}_does_not_like_recipient./{said}"
    if message.bounce or message.delivered:
        yield f"{TAI64N} end msg {message.number}"


def haraka(message: Message) -> Iterator[str]:
    if message.inbound:
        prefix = f"2026-11-24T07:40:11.000Z [{{}}] [{message.id}.1] [core]"
        yield (f"{prefix.format('NOTICE')} deny(soft?): rcpt_to: {message.recipient} plugin=dnsbl {message.inbound}")
        yield f"{prefix.format('PROTOCOL')} S: {message.inbound}"
    for state, reply in message.attempts:
        prefix = f"2026-11-24T07:40:11.000Z [NOTICE] [{message.id}.1.1] [outbound]"
        if state == "sent":
            yield f'{prefix} delivered file=1 domain=example.com host={RECEIVER} ip={RECEIVER_IP} response="{reply}"'
        else:
            verb = "bounced" if state == "bounced" else "deferred"
            yield f'{prefix} hmail {verb}: host={RECEIVER} ip={RECEIVER_IP} port=25 response="{reply}"'


TRACKING_FIELDS = (
    "#Fields: date-time,client-ip,server-ip,server-hostname,source-context,source,event-id,message-id,"
    "recipient-address,recipient-status"
)


def exchange_tracking(message: Message) -> Iterator[str]:
    events = {"sent": "SEND", "deferred": "DEFER", "bounced": "FAIL"}
    if message.inbound:
        yield (
            f"2026-11-24T07:40:11.123Z,{CLIENT},10.0.0.5,{RECEIVER},Connection Filtering Agent,AGENT,FAIL,"
            f"<{message.id}@example.net>,{message.recipient},{message.inbound}"
        )
    for state, reply in message.attempts:
        yield (
            f"2026-11-24T07:40:11.123Z,10.0.0.5,{RECEIVER_IP},{RECEIVER},,SMTP,{events[state]},<{message.id}@example.org>,"
            f"{message.recipient},{reply.replace(',', '')}"
        )


PROTOCOL_FIELDS = (
    "#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context"
)


def protocol(render: Callable[[Message, str, bool], Iterable[str]]) -> Render:
    """A log of both sides of a session: every refusal, and whether the own server was the one that refused."""

    def lines(message: Message) -> Iterator[str]:
        if message.inbound:
            yield from render(message, message.inbound, True)
        for state, reply in message.attempts:
            if state != "sent":
                yield from render(message, reply, False)

    return lines


def exchange_protocol(message: Message, reply: str, inbound: bool) -> Iterator[str]:
    start = f"2026-11-24T07:40:11.123Z,Connector,{message.id}"
    command, answer = ("<", ">") if inbound else (">", "<")
    yield f"{start},4,10.0.0.5:25,{CLIENT}:40000,{command},RCPT TO:<{message.recipient}>,"
    yield f'{start},5,10.0.0.5:25,{CLIENT}:40000,{answer},"{reply}",'


def hmailserver(message: Message, reply: str, inbound: bool) -> Iterator[str]:
    kind, command, answer = ("SMTPD", "RECEIVED", "SENT") if inbound else ("SMTPC", "SENT", "RECEIVED")
    start = f'"{kind}"\t1234\t{message.number}\t"2026-11-24 07:40:11.123"\t"{CLIENT}"'
    yield f'{start}\t"{command}: RCPT TO:<{message.recipient}>"'
    yield f'{start}\t"{answer}: {reply}"'


def mdaemon(message: Message, reply: str, inbound: bool) -> Iterator[str]:
    command, answer = ("<--", "-->") if inbound else ("-->", "<--")
    start = f"Tue 2026-11-24 07:40:11.123: [{message.number}:5]"
    yield f"{start} {command} RCPT To:<{message.recipient}>"
    yield f"{start} {answer} {reply}"


def mailenable(message: Message, reply: str, inbound: bool) -> Iterator[str]:
    kind = "SMTP-IN" if inbound else "SMTP-OU"
    yield f"11/24/26 07:40:11\t{kind}\t{message.id}.MAI\t1234\t{CLIENT}\tRCPT\tRCPT TO:<{message.recipient}>\t{reply}"


def ses(message: Message) -> Iterator[str]:
    for state, reply in message.attempts:
        mail = {"messageId": message.id, "destination": [message.recipient]}
        recipient = {"emailAddress": message.recipient, "status": reply[4:9], "diagnosticCode": f"smtp; {reply}"}
        if state == "sent":
            event = {"mail": mail, "delivery": {"recipients": [message.recipient], "smtpResponse": reply}}
        elif state == "deferred":
            event = {"eventType": "DeliveryDelay", "mail": mail, "deliveryDelay": {"delayedRecipients": [recipient]}}
        else:
            kind = "Permanent" if reply.startswith("5") else "Transient"
            event = {"mail": mail, "bounce": {"bounceType": kind, "bouncedRecipients": [recipient]}}
        yield json.dumps(event)


def ses_in_sns(message: Message) -> Iterator[str]:
    return (json.dumps({"Type": "Notification", "Message": event}) for event in ses(message))


def service(make: Callable[[Message, str, str], Mapping[str, object]], *, pretty: bool = False) -> Render:
    """Events of a mail service, a line or several lines each; in a list where they are parted by commas."""

    def render(message: Message) -> list[str]:
        indent = 1 if pretty else None
        events = [json.dumps(make(message, state, reply), indent=indent) for state, reply in message.attempts]
        return (",\n" if pretty else "\n").join(events).split("\n") if events else []

    return render


def sendgrid(message: Message, state: str, reply: str) -> Mapping[str, object]:
    event = {"sent": "delivered", "deferred": "deferred", "bounced": "bounce"}[state]
    key = "reason" if state == "bounced" else "response"
    return {"email": message.recipient, "event": event, "sg_message_id": message.id, "ip": SENDER, key: reply}


def mailgun(message: Message, state: str, reply: str) -> Mapping[str, object]:
    status = {"code": int(reply[:3]), "message": reply[4:], "mx-host": RECEIVER}
    severity = {"deferred": "temporary", "bounced": "permanent"}.get(state)
    return {"event-data": {"event": "failed", "severity": severity, "id": message.id, "recipient": message.recipient,
                           "delivery-status": status}}  # fmt: skip


def postmark(message: Message, state: str, reply: str) -> Mapping[str, object]:
    kind = {"sent": "Delivery", "deferred": "Transient", "bounced": "HardBounce"}[state]
    details = f"smtp;{reply}"
    return {
        "RecordType": "Bounce",
        "Type": kind,
        "MessageID": message.id,
        "Email": message.recipient,
        "Details": details,
    }


def sparkpost(message: Message, state: str, reply: str) -> Mapping[str, object]:
    kind = {"sent": "delivery", "deferred": "delay", "bounced": "bounce"}[state]
    event = {"type": kind, "message_id": message.id, "rcpt_to": message.recipient, "raw_reason": reply}
    event["ip_address"] = RECEIVER_IP
    return {"msys": {"message_event": event}}


SYSLOG = "Nov 24 07:40:11 mail "
FAMILIES: tuple[Family, ...] = (
    Family("postfix", postfix(SYSLOG), has_inbound=True),
    Family("postfix, ISO time", postfix("2026-11-24T07:40:11.123456+01:00 mail "), has_inbound=True),
    Family("postfix, year", postfix("2026 Nov 24 07:40:11 mail "), has_inbound=True),
    Family(
        "postfix, RFC 5424",
        lambda message: [
            f"<22>1 2026-11-24T07:40:11.1Z mail {program} 7 - - {text}" for program, text in postfix_bodies(message)
        ],
        has_inbound=True,
    ),
    Family(
        "postfix, second instance",
        lambda message: [line.replace("postfix/", "postfix-out/") for line in postfix(SYSLOG)(message)],
        has_inbound=True,
    ),
    Family("journald", journald(False), has_inbound=True),
    Family("journald, bytes", journald(True), has_inbound=True),
    Family("docker", wrapped(lambda line: json.dumps({"log": f"{line}\n", "stream": "stdout"})), has_inbound=True),
    Family("cloudwatch", wrapped(lambda line: json.dumps({"@timestamp": "x", "@message": line})), has_inbound=True),
    Family(
        "graylog",
        wrapped(lambda line: f'"2026-11-24T07:40:11.000Z","mail","{line}"'),
        head=('"timestamp","source","message"',),
        has_inbound=True,
    ),
    Family("exim", exim, has_inbound=True),
    Family("sendmail", sendmail, has_inbound=True),
    Family("opensmtpd", opensmtpd, has_inbound=True),
    Family("opensmtpd, old", opensmtpd_old),
    Family("qmail", qmail),
    Family("haraka", haraka, has_inbound=True),
    Family("exchange tracking", exchange_tracking, head=(TRACKING_FIELDS,), has_inbound=True),
    Family("exchange protocol", protocol(exchange_protocol), head=(PROTOCOL_FIELDS,), has_sent=False, has_inbound=True),
    Family("hmailserver", protocol(hmailserver), has_sent=False, has_inbound=True),
    Family("mdaemon", protocol(mdaemon), has_sent=False, has_inbound=True),
    Family("mailenable", protocol(mailenable), has_sent=False, has_inbound=True),
    Family("ses", ses),
    Family("ses in sns", ses_in_sns),
    Family("sendgrid", service(sendgrid, pretty=True), head=("[",), tail=("]",), between=","),
    Family("mailgun", service(mailgun), has_sent=False),
    Family("postmark", service(postmark), has_sent=False),
    Family("sparkpost", service(sparkpost)),
)
