"""The tables of the rule files, as they stand in TOML; unknown keys and values are refused."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, StringConstraints

CategoryName = Literal[
    "blocklist",
    "policy-block-pbl",
    "ip-reputation",
    "domain-reputation",
    "no-ptr",
    "helo",
    "spf",
    "dkim",
    "dmarc",
    "rate-limit",
    "greylist",
    "tls",
    "content",
    "connection",
    "mailbox",
    "relay",
    "other",
]
# Who has to act: you, your provider or tenant, the receiver's admin, the recipient, a forwarder, nobody; where your
# own server refused, its sender.
Side = Literal["you", "provider", "receiver", "recipient", "forwarder", "sender", "nobody"]
EntryType = Literal["ip", "domain", "email"]
CodePattern = Annotated[str, StringConstraints(pattern=r"^[45x]\.\d{1,3}\.\d{1,3}(-\d{1,3})?$")]
Page = Annotated[str, StringConstraints(pattern=r"^https?://")]
Words = tuple[str, ...]
File = TypeVar("File", bound=BaseModel)


class Table(BaseModel):
    """A table of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ConditionTable(Table):
    """When an entry applies; see the head of rules.toml."""

    words: Words = ()
    also: Words = Field(default=(), alias="with")
    unless: Words = ()
    enhanced: tuple[CodePattern, ...] = ()
    smtp: tuple[int, ...] = ()
    receivers: Words = Field(default=(), alias="from")


class RuleTable(ConditionTable):
    """`[[code]]`, `[[wording]]` and `[[status]]`: the result of a refusal that matches."""

    category: CategoryName | None = None
    cause: str = ""
    list: str | None = None
    receiver: str | None = None
    side: Side | None = None
    summary: str = ""
    remediation: str = ""
    page: Page | None = None
    source: str = ""


class ListingTable(ConditionTable):
    """`[[listing]]`: a blocklist or reputation service that refusals name."""

    id: str
    name: str
    category: CategoryName = "blocklist"
    entry_type: EntryType = "ip"
    remediation: str = ""
    page: Page | None = None
    ended: bool = False


class ReceiverTable(ConditionTable):
    """`[[receiver]]`: a receiver, known by its hosts, codes or words."""

    name: str
    list: str | None = None
    page: Page | None = None
    decides: tuple[CategoryName, ...] = Field(default=(), alias="for")


class CauseTable(Table):
    """`[cause.NAME]`: a finer cause, with its category and its own texts."""

    category: CategoryName
    label: str
    side: Side
    summary: str
    remediation: str
    remediation_temporary: str = ""
    summary_inbound: str = ""
    remediation_inbound: str = ""


class CategoryTable(Table):
    """`[category.NAME]`: the default texts of a category."""

    meaning: str
    label: str
    side: Side
    summary: str
    remediation: str
    remediation_temporary: str = ""
    summary_listed: str = ""
    summary_domain: str = ""
    remediation_domain: str = ""


class Links(Table):
    """`[links]`: exact hosts of links that may be shown as they are."""

    hosts: tuple[str, ...]


class RulesFile(Table):
    """rules.toml."""

    same: dict[str, Words]
    code: tuple[RuleTable, ...]
    wording: tuple[RuleTable, ...]
    status: tuple[RuleTable, ...]


class CausesFile(Table):
    """causes.toml."""

    category: dict[CategoryName, CategoryTable]
    cause: dict[str, CauseTable]
    links: Links


class VendorsFile(Table):
    """vendors.toml."""

    code: tuple[RuleTable, ...]


class ListingsFile(Table):
    """listings.toml."""

    listing: tuple[ListingTable, ...]


class ReceiversFile(Table):
    """receivers.toml."""

    receiver: tuple[ReceiverTable, ...]


class ExportTable(Table):
    """`[[export]]`: the keys of a mail service's events; see the head of log_exports.toml."""

    name: str
    source: Page
    when: tuple[str, ...]
    state: str
    sent: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    bounced: tuple[str, ...] = ()
    each: str = ""
    recipient: tuple[str, ...] = ()
    reply: tuple[str, ...]
    code: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class WrappedTable(Table):
    """`[wrapped]`: the keys under which log stores wrap a line."""

    line: tuple[str, ...]
    program: tuple[str, ...]
    process: tuple[str, ...]


class ColumnsTable(Table):
    """`[columns]`: the columns of CSV exports that hold the line."""

    line: tuple[str, ...]


class ExportsFile(Table):
    """log_exports.toml."""

    export: tuple[ExportTable, ...]
    wrapped: WrappedTable
    columns: ColumnsTable


class BounceMailFile(Table):
    """bounce_mail.toml."""

    copied_original: tuple[str, ...]
    reason_follows: tuple[str, ...]
    bounce_phrases: tuple[str, ...]


class OperatorTable(Table):
    """`[[operator]]`: domains of one organization, and the networks of its internal servers."""

    name: str
    domains: tuple[str, ...]
    networks: tuple[IPvAnyNetwork, ...]
    source: Page


class GatewayTable(OperatorTable):
    """`[[gateway]]`: a filter before the reader's mailbox; `marks` are fields that its inbound filter adds."""

    marks: tuple[str, ...]


class OperatorsFile(Table):
    """mail_operators.toml."""

    operator: tuple[OperatorTable, ...]
    gateway: tuple[GatewayTable, ...]


def load_file(name: str, model: type[File]) -> File:
    """Read one bundled file. Raises pydantic.ValidationError, which names the table and the key."""
    data: dict[str, Any] = tomllib.loads(files("bot.bounces").joinpath(name).read_text(encoding="utf-8"))
    return model.model_validate(data)
