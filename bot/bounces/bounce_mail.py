"""Bounce mails and pasted replies: what servers wrote decides, prose and the copied original never do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from bot.bounces.bounce_text import attached_messages, is_by_a_person, restore_text, text_parts
from bot.bounces.classify import Bounce, explain, remote_host, sanitize_line
from bot.bounces.dsn import is_delivered_report, parse_fields, parse_report
from bot.bounces.log_families import parse_line
from bot.bounces.log_lines import REFUSED_STATES, LogLine, Sessions, explain_event, split_program
from bot.bounces.rule_files import BounceMailFile, load_file

MAX_STATEMENT = 4_000
MAX_REPLY = 1_500  # of one multiline reply; real ones have at most ten lines of 80
EDGES = " \t-—–=*_#>|\"'«»“”.:"
TRANSCRIPT = re.compile(
    r"(?:mta: 0x[0-9a-f]{1,16}: )?(?:<<<|<--|<-|S:|<|(?:LOG|Log|Reply|Response|Error): ) ?(?=\d{3}[ -])"
)
SENT_COMMAND = re.compile(r"(?:>>>|-->|->|C:) ?")
ADDRESS = r"[^\s<>@,;:\"'()\[\]]{1,64}@[^\s<>@,;:\"'()\[\]]{1,255}"
ADDRESS_LINE = re.compile(rf"<?({ADDRESS}|\|/\S{{1,300}})>?( ?\([^()]{{0,320}}\)| ?<{ADDRESS}>)?(:?)$")
RECIPIENT_BLOCK = re.compile(rf"<?({ADDRESS}|\|/\S{{1,300}})>?(?:: | ?\([^()]{{0,320}}\):? |:? (?=\S))")
POSTFIX_BLOCK = re.compile(rf"<{ADDRESS}>(?: \(expanded from <{ADDRESS}>\))?: ")
CODE = r"(?:4[2-5]\d|5[0-57]\d)"
ENHANCED = r"[45]\.\d{1,3}\.\d{1,3}"
# A reply or a code as servers and reports write it: at the start, after a mark, or code and enhanced code together.
CODED = re.compile(
    rf"(?:^|[\s:;(<\[\"'«“‘=>#]){CODE}[ -]#?{ENHANCED}(?![\w.])"
    r"|(?:^|[:;(<\[\"'«“‘=>] ?|\b(?:said|returned|error|reply|response|code|was|reason|status|smtp) )"
    rf"{CODE}(?:[ -](?=\S)|$)"
    rf"|(?:^|[:;(<\[\"'«“‘=>] ?|\b(?:code|status|error) ?|#){ENHANCED}(?![\w.])"
)
HEADER = re.compile(
    r"^(?:received|from|to|cc|subject|date|message-id|reporting-mta|received-from-mta|final-recipient"
    r"|original-recipient|action|status|remote-mta|arrival-date|last-attempt-date|will-retry-until"
    r"|content-[a-z-]+|mime-version|return-path"
    r"|reply-to|x-[a-z0-9-]+|dkim-signature|authentication-results|arc-[a-z-]+|delivered-to"
    r"|auto-submitted|list-[a-z-]+|references|in-reply-to|user-agent|precedence)\s?:",
    re.IGNORECASE,
)
COPIED_FIELD = re.compile(r"(?:subject|from|to|cc|date|sender address|betreff|objet|asunto|oggetto)\s?:", re.IGNORECASE)
HTTP = re.compile(r"\bHTTP/[123](?:\.\d)?\b")  # its status codes are not those of SMTP
SETTING = re.compile(r"[a-z0-9]{1,30}(?:_[a-z0-9]{1,30}){1,8} = ")  # in a configuration file
DELIVERED = re.compile(r"successfully delivered|was delivered to the|has been delivered to the")
SENTENCE_ENDS = (".", "!", "?", '"', "'", ")", "]")
MAX_STANDARD_TEXT, MAX_FREE_TEXT = 60, 300  # characters of the reply's first line and of what follows without a code
STANDARD_TEXT = "action not taken: mailbox unavailable"
NUMBER_LIKE_CODE = re.compile(r"(?<![\w.])[45](?:\d\d|\.\d{1,3}\.\d{1,3})(?![\w.])")  # in prose: a price, a date
REFUSAL_WORDS = re.compile(
    r"(?:^|[\s:;\"'(])[45]\d\d[- ]|(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\w.])"
    r"|reject|refus|den(?:y|ied)|block|defer|bounce|undeliver|unknown"
    r"|not (?:accept|allow|permit|found|exist|authori|recogni|listed|known)|blacklist|spam|timed out|unreachable"
    r"|over ?quota|exceed|too (?:many|large|long)|limit|unable to|failed|relay|reputation|full|invalid|no longer"
    r"|disabled|could ?n[o']t|cannot|can't|no such|doesn't|malformed"
    r"|退信|拒绝|拒絕|黑名单|拒否|一杯|不存在"
)
REPLY_CONTINUES = re.compile(r"(?:^|[\]>:] )([45]\d\d)-(?:([45]\.\d{1,3}\.\d{1,3}) )?")
STARTS_REPLY = re.compile(r"[245]\d\d[ -]")
MIN_REPLY_WORDS = 2
MAX_DEPTH = 3  # of bounces that were forwarded as attachments
MAX_COMPARED = 200  # verdicts without a recipient
# In Sendmail's bounces: what follows is not about the recipient above.
RULER = re.compile(r"-{3,} ?[A-Z].{3,80}-{3,}$|\.\.\. while talking to ")
# Somebody tells of their own mail; what a server says of itself ("our system", "we do not accept") is no such text.
PROSE = re.compile(
    r"\b(?:I|I've|I'm) |\b(?:we|We) (?:have|had|are|checked|sent|send|use|got|get|see|do have)\b"
    r"|\b[Oo]ur (?:IP|ip|server|mail|domain|provider|customers?|users?|SPF|DKIM|DMARC)\b"
    r"|\bunsere? (?:IP|Server|Domain)\b"
)
CONSEQUENCE_CODES = (503, 354)  # what follows in a session after the refusal


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines that belong together, with the recipient they stand under; `is_block` where they are its reason."""

    text: str
    recipient: str = ""
    is_block: bool = False


@cache
def load_phrases() -> BounceMailFile:
    """The phrases around refusals. Raises ValueError that names the bad key."""
    return load_file("bounce_mail.toml", BounceMailFile)


def read_text(lines: Sequence[str], depth: int = 0) -> Iterator[Bounce]:
    """The refusals in a bounce mail, in one that is attached, in a part of one, or in a list of replies.

    The fields of a delivery report are exact; the text beside them counts where they give no reason.
    """
    text = restore_text(lines)
    if is_delivered_report(text) or text.startswith("<?xml"):
        return
    if is_by_a_person(text) and (attached := _read_attached(text, depth)):
        yield from attached
        return
    reported = parse_report(text)
    bodies, is_message = text_parts(text)
    for body in bodies:
        body_lines = list(_without_original(body.split("\n")))
        reported = reported or parse_fields(body_lines)
        if reported and all(bounce.certain for _, bounce in reported):
            break
        statements = list(split_statements(body_lines))
        if is_message or reported or _is_bounce_mail(body):
            read = _one_per_recipient(statements, prose_counts=reported != [] or _is_bounce_mail(text))
        else:
            read = [("", bounce) for bounce in _replies(statements)]
        reported = _with_reasons(reported, read) if reported else read
        if reported:  # an HTML part repeats the text part
            break
    yield from [bounce for _, bounce in reported] or _read_attached(text, depth)


def _read_attached(text: str, depth: int) -> list[Bounce]:
    """The refusals in the first attached bounce mail."""
    attached = attached_messages(text) if depth < MAX_DEPTH else iter(())
    bounce_mail = next(filter(_is_bounce_mail, attached), None)
    return list(read_text(bounce_mail.split("\n"), depth + 1)) if bounce_mail else []


def _with_reasons(
    reported: Sequence[tuple[str, Bounce]], read: Sequence[tuple[str, Bounce]]
) -> list[tuple[str, Bounce]]:
    """The reported refusals, with the reason that the text gives where the report has only a general status."""
    by_recipient = {recipient.lower(): bounce for recipient, bounce in read if bounce.certain}
    only = read[0][1] if len(reported) == len(read) == 1 and read[0][1].certain else None
    return [
        (recipient, bounce if bounce.certain else by_recipient.get(recipient) or only or bounce)
        for recipient, bounce in reported
    ]


def is_refusal(text: str) -> bool:
    """Whether a statement that is no log line says of a refusal."""
    if HEADER.match(text) or HTTP.search(text) or SETTING.match(text) or DELIVERED.search(text.lower()):
        return False
    if CODED.search(text):
        return bool(REFUSAL_WORDS.search(text.lower()))
    is_told = bool(PROSE.search(text))
    return bool(REFUSAL_WORDS.search(text.lower())) and not is_told and explain(NUMBER_LIKE_CODE.sub(" ", text)).certain


def _without_original(lines: Sequence[str]) -> Iterator[str]:
    """The lines above the copied original; a phrase in the midst of a wrapped sentence does not announce one."""
    phrases, in_sentence = load_phrases().copied_original, False
    for line in lines:
        words = line.strip(EDGES).lower()
        if not in_sentence and words.startswith(phrases) and any(_starts_with(words, phrase) for phrase in phrases):
            return
        in_sentence = line[-1:].isalnum() or line.endswith(",")
        yield line


def _starts_with(words: str, phrase: str) -> bool:
    """Whether the words start with the phrase, and its last word is not a part of a longer one."""
    return words.startswith(phrase) and not (words[len(phrase) : len(phrase) + 1].isalpha() and phrase[-1].isascii())


def _is_bounce_mail(text: str) -> bool:
    lowered = text.lower()
    return any(phrase in lowered for phrase in load_phrases().bounce_phrases)


def split_statements(lines: Sequence[str]) -> Iterator[Statement]:
    """Join lines with their continuations: indented ones, multiline replies (550-… 550 …), a recipient's reason."""
    current, indent, recipient, block, is_reason = "", 0, "", False, False
    for raw_line in (*lines, ""):
        line = raw_line.rstrip()
        text = TRANSCRIPT.sub("", line.strip(), count=1)
        line_indent = len(line) - len(line.lstrip())
        address = ADDRESS_LINE.match(text)
        in_paragraph = text and POSTFIX_BLOCK.match(current) and not POSTFIX_BLOCK.match(text)
        if (
            current
            and text
            and not address
            and (line_indent > indent or block or in_paragraph or continues(current, text))
        ):
            current = f"{current} {text}"[:MAX_STATEMENT]
            continue
        if RULER.match(text):
            recipient = ""
        if current:
            yield _statement(current, recipient, is_reason)
            is_reason = current.rstrip(EDGES).lower().endswith(load_phrases().reason_follows)
        current, indent, block = "", line_indent, False
        if address:
            recipient, block = address[1], bool(address[3])
            current = f"{address[1]}: {address[2] or ''}".rstrip()
        elif text and not SENT_COMMAND.match(text):
            current = text


def _statement(text: str, recipient: str, is_reason: bool) -> Statement:
    block = RECIPIENT_BLOCK.match(text)
    return Statement(text, block[1] if block else recipient, bool(block) or is_reason)


def continues(statement: str, line: str) -> bool:
    """Whether the line is the next line of the reply that the statement started."""
    if STANDARD_TEXT in statement[:MAX_STANDARD_TEXT].lower() and not STARTS_REPLY.match(line):
        return len(statement) < MAX_FREE_TEXT  # RFC 5321 §4.2.3: the reason follows
    reply = REPLY_CONTINUES.search(statement[:MAX_REPLY])
    if not reply or len(statement) > MAX_REPLY or f" {reply[1]} " in statement or not line.startswith(reply[1]):
        return False
    code, enhanced = reply[1], reply[2]
    if enhanced:
        return line[len(code) + 1 :].startswith(enhanced)
    if f" {code}-" in statement or line[len(code) : len(code) + 1] == "-":
        return True
    return line[len(code) : len(code) + 1] == " " and not _is_other_reply(statement, line)


def _is_other_reply(statement: str, line: str) -> bool:
    """Whether two lines with one code, the first with a dash, each name a cause: a list of replies, cut short."""
    first, second = explain(statement), explain(line)
    is_preamble = STANDARD_TEXT in statement.lower()  # RFC 5321 §4.2.3, the reason follows
    ends = statement.endswith(SENTENCE_ENDS)
    return ends and first.certain and second.certain and first.cause != second.cause and not is_preamble


def _replies(statements: Sequence[Statement]) -> Iterator[Bounce]:
    """Every statement that is a refusal; a single one needs only to be understood."""
    for statement in statements:
        is_single = len(statements) == 1 and not PROSE.search(statement.text)
        if is_refusal(statement.text) or (is_single and explain(statement.text).certain):
            yield explain_statement(statement.text)


def _one_per_recipient(statements: Sequence[Statement], prose_counts: bool) -> list[tuple[str, Bounce]]:
    """The best verdict for each recipient; prose counts only in a bounce mail where nothing has a code."""
    refusals = [
        statement
        for statement in statements
        if not COPIED_FIELD.match(statement.text) and (CODED.search(statement.text) or _is_reason(statement))
    ]
    if not refusals:
        readable = statements if prose_counts else ()
        certain = [
            statement for statement in readable if is_refusal(statement.text) and explain(statement.text).certain
        ]
        return [(statement.recipient, explain_statement(statement.text)) for statement in certain[:1]]
    best: list[tuple[str, Bounce]] = []
    places: dict[str, int] = {}
    for statement in refusals:
        bounce = _explain_reply(statement.text)
        place = places.get(statement.recipient.lower()) if statement.recipient else None
        if place is None:
            place = _find_same(best, statement.recipient, bounce)
        if place is None:
            place = len(best)
            best.append((statement.recipient, bounce))
        else:
            recipient, other = best[place]
            best[place] = (recipient or statement.recipient, bounce if _rank(bounce) > _rank(other) else other)
        if recipient := best[place][0].lower():
            places[recipient] = place
    has_certain = any(bounce.certain for _, bounce in best)
    return [(recipient, bounce) for recipient, bounce in best if bounce.certain or not has_certain]


def _explain_reply(text: str) -> Bounce:
    """The verdict on what a server replied; the prose before its code does not count, if words follow the code."""
    code = CODED.search(text)
    if code is None or text[code.end() :].count(" ") < MIN_REPLY_WORDS:
        return explain_statement(text)
    reply = text[code.start() :].lstrip(" :;(<[\"'«“‘=>")
    return replace(explain(reply, None, remote_host(text[: code.start()])), line=sanitize_line(text))


def _is_reason(statement: Statement) -> bool:
    return statement.is_block and (is_refusal(statement.text) or explain(statement.text).certain)


def _find_same(best: Sequence[tuple[str, Bounce]], recipient: str, bounce: Bounce) -> int | None:
    """The place of a verdict on the same refusal: one of them has no recipient, and the codes fit."""
    for place in range(max(0, len(best) - MAX_COMPARED), len(best)):
        other_recipient, other = best[place]
        if other_recipient and recipient:
            continue
        same_codes = _fits(other.smtp_code, bounce.smtp_code) and _fits(other.enhanced_code, bounce.enhanced_code)
        if same_codes or bounce.smtp_code in CONSEQUENCE_CODES:
            return place
    return None


def _fits(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _rank(bounce: Bounce) -> tuple[bool, bool, bool, int]:
    return bounce.certain, bounce.list is not None, bounce.ip is not None, bounce.smtp_code is not None


def explain_statement(text: str) -> Bounce:
    """The verdict on a statement; a part of a log line without its time is read like the whole line."""
    line = split_program(text, text, 0)
    event = parse_line(line, Sessions()) if line.program else parse_line(LogLine(text, text), Sessions())
    if event and event.state in REFUSED_STATES and event.reply != text:
        return explain_event(event)
    return replace(explain(text), line=sanitize_line(text))
