"""The catalog as a TOML file: its tables, what they must hold, and the lists that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from bot.checks.dnsbl.catalog import Blocklist, Catalog, Controls, Kind, MailboxHash, Nature
from bot.checks.dnsbl.own_catalog import TITLE, extended_document
from bot.checks.dnsbl.return_codes import CodeTable, Effect, Pattern, Removal, RemovalParty, ReturnCode, Severity
from bot.inputs.toml_tables import Count, Day, Flag, Table, Tables, Text, Texts, Url, key_error, read_toml, validate
from bot.settings import nameserver

BUILT_IN = Path(__file__).with_name("catalog.toml")
SEVERITIES = list(Severity)
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ZONE = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.){1,126}[a-z0-9-]{1,63}")
MAX_ZONE_LENGTH = 180
FLAGS = frozenset(str(1 << bit) for bit in range(8))
NO_REMOVAL = Removal(RemovalParty.NOBODY)
# Default test points (RFC 5782 section 5): listed and not listed. IPv6 maps the IPv4 points.
TEST_POINTS = {
    Kind.IP4: ("127.0.0.2", "127.0.0.1"),
    Kind.IP6: ("::ffff:7f00:2", "::ffff:7f00:1"),
    Kind.DOMAIN: ("test", "invalid"),
    Kind.EMAIL: ("listed@test.invalid", "not-listed@test.invalid"),
}
PLACEHOLDERS = {Kind.IP4: "ip", Kind.IP6: "ip", Kind.DOMAIN: "domain", Kind.EMAIL: "email"}


class CodeFormat(StrEnum):
    """How return codes are matched: by the whole address, or by bits of the last octet."""

    CODES = "codes"
    BITS = "bits"


class RemovalTable(Table):
    """`removal` of a list or of a return code."""

    who: RemovalParty
    form: Url = ""
    look: Url = ""
    expiry: str = ""
    step: str = ""
    preconditions: Texts = ()
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> RemovalTable:
        if self.who is RemovalParty.NOBODY and not self.note:
            raise key_error("is missing: say why an entry cannot be removed", "note")
        if not (self.form or self.look):
            raise key_error("and look are both missing: a person needs one of them", "form")
        return self

    def removal(self) -> Removal:
        return Removal(self.who, self.form, self.look, self.expiry, self.step, self.preconditions, self.note)


class CodeRow(Table):
    """One return code: a row of `codes` or of `refusals`."""

    effect: Effect
    means: Text
    name: str = ""
    severity: Severity | None = None
    removal: RemovalTable | None = None
    sublist: str = ""
    reason: str = ""

    @model_validator(mode="after")
    def _check(self) -> CodeRow:
        if self.effect.is_answer == bool(self.reason):
            raise key_error("belongs to the effects refused and error, and to them alone", "reason")
        return self

    def return_code(self, name: str, severity: Severity, removal: Removal) -> ReturnCode:
        """Return the code, with what it does not say itself from the list."""
        return ReturnCode(
            effect=self.effect,
            meaning=self.means,
            name=self.name or name,
            severity=self.severity or severity,
            removal=self.removal.removal() if self.removal else removal,
            sublist=self.sublist,
            reason=self.reason,
        )


def _check_id(text: str) -> str:
    if not ID.fullmatch(text):
        raise ValueError(f"must be lower-case words with hyphens between them, such as spamhaus-zen, not {text!r}")
    return text


def _check_key(text: str) -> str:
    # The value is not repeated: somebody may have written the key itself.
    if not ID.fullmatch(text):
        raise ValueError("must be a name in lower case, such as abusix; the key itself is in MAILCHECK_KEY_ABUSIX")
    return text


def _check_zone(text: str) -> str:
    if not ZONE.fullmatch(text):
        raise ValueError(f"must be a lower-case domain without a dot at its end, such as bl.example.net, not {text!r}")
    if len(text) > MAX_ZONE_LENGTH:
        raise ValueError(f"must have at most {MAX_ZONE_LENGTH} characters, so that an address fits before it")
    return text


def _check_server(text: str) -> str:
    try:
        return str(nameserver(text))
    except ValueError:
        raise ValueError("must be the address of a name server, such as 10.0.0.53 or 10.0.0.53:5353") from None


def _check_patterns(rows: Mapping[str, CodeRow]) -> Mapping[str, CodeRow]:
    for text in rows:
        parse_pattern(text)
    return rows


def parse_pattern(text: str) -> Pattern:
    try:
        return Pattern.parse(text)
    except ValueError:
        raise key_error("is not an answer such as 127.0.0.2, 127.0.0.4-7 or 127.0.*.3", text) from None


class ListTable(Table):
    """One `[[list]]`."""

    id: Annotated[Text, AfterValidator(_check_id)]
    name: Text
    operator: Text
    zone: Annotated[Text, AfterValidator(_check_zone)]
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]
    nature: Nature
    severity: Severity
    controls: Controls
    removal: RemovalTable
    reads: CodeFormat = CodeFormat.CODES
    codes: Annotated[dict[str, CodeRow], Field(min_length=1)]
    source: Url = ""
    source_seen: Day | None = None
    free_use: str = ""
    commercial: str = ""
    enabled: Flag = True
    server: Annotated[str, AfterValidator(_check_server)] = ""
    must_list: Text | None = None
    must_not_list: Text | None = None
    key: Annotated[Text, AfterValidator(_check_key)] | None = None
    key_zone: str = ""
    needs_key: Flag = False
    per_day: Count | None = None
    key_per_day: Count | None = None
    per_second: Count | None = None
    ip6_prefix: Count | None = None
    register_url: Url = Field(default="", alias="register")
    mailbox_hash: MailboxHash = MailboxHash.SHA1

    @field_validator("kinds")
    @classmethod
    def _check_kinds(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if len({PLACEHOLDERS[kind] for kind in kinds}) > 1:
            raise ValueError("mixes addresses, domains and mail addresses; write one list for each")
        return kinds

    @field_validator("codes")
    @classmethod
    def _check_codes(cls, codes: dict[str, CodeRow], info: ValidationInfo) -> dict[str, CodeRow]:
        if info.data.get("reads") is not CodeFormat.BITS:
            _check_patterns(codes)
        elif invalid := next((text for text in codes if text not in FLAGS), None):
            raise key_error("must be a flag: 1, 2, 4, 8, 16, 32, 64 or 128", invalid)
        return codes

    @model_validator(mode="after")
    def _check(self) -> ListTable:
        self._check_key_zone()
        placeholder = PLACEHOLDERS[self.kinds[0]]
        _check_placeholder(self.removal, placeholder)
        for text, code in self.codes.items():
            if code.removal:
                _check_placeholder(code.removal, placeholder, "codes", text)
        return self

    def _check_key_zone(self) -> None:
        if (self.key is None) != (not self.key_zone):
            raise key_error("and key go together: one of them is missing", "key_zone")
        if self.key_zone and "{key}" not in self.key_zone:
            raise key_error("must hold {key}", "key_zone")
        if _has_braces(self.key_zone, "key"):
            raise key_error("may have no placeholder but {key}", "key_zone")
        if self.key_zone and not ZONE.fullmatch(self.key_zone.replace("{key}", "key")):
            raise key_error("must be a lower-case domain, such as {key}.bl.example.net", "key_zone")
        if self.needs_key and not self.key_zone:
            raise key_error("is missing, and the list needs a key", "key_zone")

    def blocklist(self, refusals: Mapping[str, CodeRow]) -> Blocklist:
        removal = self.removal.removal()
        must_list, must_not_list = TEST_POINTS[min(self.kinds, key=list(Kind).index)]
        return Blocklist(
            id=self.id,
            name=self.name,
            operator=self.operator,
            zone=self.zone,
            kinds=frozenset(self.kinds),
            nature=self.nature,
            severity=self.severity,
            codes=self._code_table(refusals, removal),
            removal=removal,
            controls=self.controls,
            must_list=self.must_list or must_list,
            must_not_list=self.must_not_list or must_not_list,
            source=self.source,
            key=self.key,
            key_zone=self.key_zone,
            needs_key=self.needs_key,
            per_day=self.per_day,
            key_per_day=self.key_per_day,
            per_second=self.per_second,
            registration_url=self.register_url,
            mailbox_hash=self.mailbox_hash,
            ip6_prefix=self.ip6_prefix,
            enabled=self.enabled,
            server=self.server,
            free_use=self.free_use,
            commercial=self.commercial,
            source_seen=self.source_seen,
        )

    def _code_table(self, refusals: Mapping[str, CodeRow], removal: Removal) -> CodeTable:
        refusal_codes = {text: row.return_code("", Severity.NONE, NO_REMOVAL) for text, row in refusals.items()}
        common, common_patterns = _sort(refusal_codes)
        codes = {text: row.return_code(self.name, self.severity, removal) for text, row in self.codes.items()}
        if self.reads is CodeFormat.BITS:
            return CodeTable(common, {int(text): code for text, code in codes.items()}, common_patterns)
        exact, patterns = _sort(codes)
        return CodeTable({**common, **exact}, {}, common_patterns + patterns)


def _check_placeholder(removal: RemovalTable, placeholder: str, *tables: str) -> None:
    for key, url in (("form", removal.form), ("look", removal.look)):
        if _has_braces(url, placeholder):
            raise key_error(f"may have no placeholder but {{{placeholder}}}", *tables, "removal", key)


def _has_braces(text: str, placeholder: str) -> bool:
    """Whether the text has a brace besides the placeholder."""
    bare = text.replace("{" + placeholder + "}", "")
    return "{" in bare or "}" in bare


def _sort(codes: Mapping[str, ReturnCode]) -> tuple[dict[str, ReturnCode], tuple[tuple[Pattern, ReturnCode], ...]]:
    """Return the codes of single addresses, and the patterns of the others."""
    patterns = {text: parse_pattern(text) for text in codes}
    exact = {text: code for text, code in codes.items() if patterns[text].is_exact}
    return exact, tuple((patterns[text], code) for text, code in codes.items() if text not in exact)


class CatalogFile(Table):
    """The whole file."""

    refusals: Annotated[dict[str, CodeRow], Field(min_length=1), AfterValidator(_check_patterns)]
    lists: Annotated[tuple[ListTable, ...], Tables, Field(alias="list", min_length=1)]

    @field_validator("refusals")
    @classmethod
    def _check_refusals(cls, refusals: dict[str, CodeRow]) -> dict[str, CodeRow]:
        for text, code in refusals.items():
            if code.effect.is_answer:
                raise key_error("must have the effect refused or error", text)
        return refusals

    @model_validator(mode="after")
    def _check(self) -> CatalogFile:
        _reject_duplicates("id", (table.id for table in self.lists))
        _reject_duplicates("zone", (f"{table.zone} ({kind})" for table in self.lists for kind in table.kinds))
        return self


def _reject_duplicates(key: str, values: Iterable[str]) -> None:
    unique: set[str] = set()
    for value in values:
        if value in unique:
            raise key_error("is in two lists", f"{key} {value}")
        unique.add(value)


def load(path: Path | None = None) -> Catalog:
    """Load the built-in catalog, or the operator's file that extends or replaces it. Raises DataFileError."""
    builtin = read_toml(BUILT_IN)
    if path is None:
        return parse_catalog(builtin)
    return parse_catalog(extended_document(read_toml(path), builtin, path), path)


def parse_catalog(document: Mapping[str, Any], file: Path | None = None) -> Catalog:
    """Return the catalog of a TOML document. Raises DataFileError."""
    tables = validate(document, TypeAdapter(CatalogFile), TITLE, file)
    lists = (table.blocklist(tables.refusals) for table in tables.lists)
    return Catalog(tuple(sorted(lists, key=lambda blocklist: SEVERITIES.index(blocklist.severity))))
