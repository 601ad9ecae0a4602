"""How values of monitoring stand in the store, as types that pydantic reads and writes. Pure.

Times are seconds since 1970, durations are seconds. Problems of a range that differ only in the
address are stored once, under the address ranges of all: a /24 on fifty lists has thousands of
them, and every poll reads and writes them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import (
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)

Address = IPv4Address | IPv6Address
Document = Mapping[str, Any]  # a problem, by its stored keys

DIGEST_MARK = "#"  # of a value that is stored as its digest; earlier versions stored values as they are
DIGEST, CONFIG_KEY = re.compile(r"#[\w-]+", re.ASCII), re.compile(r"\S+")
ADDRESS_PLACEHOLDER = "{address}"  # placeholder for the address in texts and links
MAX_RANGE = 4096  # more than any watch has; a damaged range must not fill the memory
MAX_NUMBER = 1e10  # seconds since 1970 in the year 2286, and more than any count


def check_seconds(number: Any) -> Any:
    """Raises ValueError for what is no number, or larger than any that is written."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError("not a number")
    if not -MAX_NUMBER <= number <= MAX_NUMBER:  # NaN neither
        raise ValueError("out of range")
    return number


def from_timestamp(seconds: float) -> datetime:
    """Raises ValueError for a time that nobody meant."""
    return datetime.fromtimestamp(check_seconds(seconds), UTC)


def from_seconds(seconds: float) -> timedelta:
    return timedelta(seconds=check_seconds(seconds))


Timestamp = Annotated[datetime, PlainValidator(from_timestamp), PlainSerializer(datetime.timestamp)]
Seconds = Annotated[timedelta, PlainValidator(from_seconds), PlainSerializer(timedelta.total_seconds)]
NetworkText = Annotated[IPv4Network | IPv6Network, PlainValidator(ip_network), PlainSerializer(str)]


def pack_problems(documents: Iterable[Document]) -> list[Document]:
    """Group equal problems; each group has its addresses as `at`: `203.0.113.0-203.0.113.7 203.0.113.9`."""
    packed: list[Document] = []
    addresses_by_problem: dict[str, list[str]] = {}
    for document in documents:
        common = _without_address(document)
        if common is None:
            packed.append(document)
            continue
        addresses = addresses_by_problem.setdefault(json.dumps(common), [])
        if not addresses:
            packed.append({**common, "at": addresses})
        addresses.append(document["sight"]["address"])
    return [{**group, "at": _to_ranges(group["at"])} if "at" in group else group for group in packed]


def unpack_problems(documents: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Problems of packed documents. Raises ValueError."""
    groups = validate(documents)
    if not any("at" in document for document in documents):
        return groups
    return tuple(
        problem
        for document, common in zip(documents, groups, strict=True)
        for problem in (_each_address(common, document["at"]) if "at" in document else (common,))
    )


def _each_address(common: Any, addresses: str) -> Iterator[Any]:
    """The problem at each of these addresses, which its texts and links name."""
    observation = common.last_observation
    for address in _from_ranges(addresses):
        summary, remediation = (
            text.replace(ADDRESS_PLACEHOLDER, address) for text in (observation.summary, observation.remediation)
        )
        links = tuple(replace(link, url=link.url.replace(ADDRESS_PLACEHOLDER, address)) for link in observation.links)
        at_address = replace(observation, address=address, summary=summary, remediation=remediation, links=links)
        yield replace(common, last_observation=at_address)


def _without_address(document: Document) -> Document | None:
    """None for a problem without address, or one whose texts contain the placeholder."""
    observation = document["sight"]
    address = observation.get("address")
    if not address:
        return None
    common = _with_address(observation, "", address, ADDRESS_PLACEHOLDER)
    restored = _with_address(common, address, ADDRESS_PLACEHOLDER, address)
    return {**document, "sight": common} if restored == observation else None


def _with_address(observation: Document, address: str, old: str, new: str) -> Document:
    """The observation with another address (none if empty), in its texts and links too."""
    changed = {key: observation[key].replace(old, new) for key in ("says", "step") if key in observation}
    if "links" in observation:
        changed["links"] = [{**link, "url": link["url"].replace(old, new)} for link in observation["links"]]
    if address:
        return {**observation, **changed, "address": address}
    return {key: value for key, value in {**observation, **changed}.items() if key != "address"}


def _to_ranges(addresses: Iterable[str]) -> str:
    """Collapse consecutive addresses to `first-last`."""
    ranges: list[list[Address]] = []
    for address in sorted(map(ip_address, addresses), key=int):
        if ranges and int(address) == int(ranges[-1][1]) + 1:
            ranges[-1][1] = address
        else:
            ranges.append([address, address])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _from_ranges(text: str) -> Iterator[str]:
    for part in text.split():
        first, _, last = part.partition("-")
        start, end = ip_address(first), ip_address(last or first)
        if start.version != end.version or not 0 <= int(end) - int(start) < MAX_RANGE:
            raise ValueError("not a range of addresses")
        yield from (str(start + offset) for offset in range(int(end) - int(start) + 1))


def _serialize_packed(problems: Any, serialize: SerializerFunctionWrapHandler) -> list[Document]:
    return pack_problems(serialize(problems))


def _serialize_config(config: Any, serialize: SerializerFunctionWrapHandler) -> dict[str, str]:
    """Digests stand together in one text, `spf#AbCdEf mx#GhIjKl`: many of them are most of a quiet watch."""
    values: dict[str, str] = serialize(config)
    digests = {key: value for key, value in values.items() if DIGEST.fullmatch(value) and CONFIG_KEY.fullmatch(key)}
    packed = " ".join(f"{key}{value}" for key, value in digests.items())
    return {key: value for key, value in values.items() if key not in digests} | (
        {DIGEST_MARK: packed} if packed else {}
    )


def _unpack_config(config: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    values = dict(validate(config))
    for item in values.pop(DIGEST_MARK, "").split():
        key, mark, digest = item.rpartition(DIGEST_MARK)
        if key:
            values[key] = mark + digest
    return values


# Around a tuple of problems, and around the config of an incident.
UNPACKED, PACKED = WrapValidator(unpack_problems), WrapSerializer(_serialize_packed)
UNPACKED_CONFIG, PACKED_CONFIG = WrapValidator(_unpack_config), WrapSerializer(_serialize_config)
