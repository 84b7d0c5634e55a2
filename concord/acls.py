"""Access control entries for Kafka, made from `concord.access`: as text for Kafka's own tool, or put in force."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from concord.access import PARTIES, Entry, Party, entries_of
from concord.connecting import admin_of
from schemas.errors import ConcordError, ConfigError

# How a party's Kafka user is called; {party} stands for its name.
PRINCIPAL: Final = "User:concord-{party}"


def principal_of(party: Party, template: str = PRINCIPAL) -> str:
    """The party's Kafka principal. Raises ConfigError for a template that names none."""
    if "{party}" not in template or ":" not in template:
        raise ConfigError([f"{template!r} does not say which user a party has"], f"Write it like {PRINCIPAL}.")
    return template.replace("{party}", party.name)


def commands(template: str = PRINCIPAL) -> Iterator[str]:
    """One command line of Kafka's tool for each entry; the broker's address and its options are left to the caller."""
    for party in PARTIES:
        for entry in entries_of(party):
            words = ["kafka-acls.sh", "--add", "--allow-principal", principal_of(party, template)]
            words += [part for one in entry.operations for part in ("--operation", one)]
            words += ["--cluster"] if entry.resource == "cluster" else [f"--{entry.resource}", entry.name]
            words += ["--resource-pattern-type", "prefixed"] if entry.is_prefix else []
            yield " ".join(words)


def create_acls(broker: str, template: str = PRINCIPAL) -> int:
    """Put every entry in force; those that are stay. Returns how many there are. Raises ConcordError."""
    wanted = [
        acl for party in PARTIES for entry in entries_of(party) for acl in _acls(principal_of(party, template), entry)
    ]
    with admin_of(broker) as admin:
        failed = admin.create_acls(wanted)["failed"]
    if failed:
        raise ConcordError(
            f"The broker refused {len(failed)} of {len(wanted)} access control entries: {failed[0][1]}.",
            "Let a user do this who may alter the cluster, on a broker that has an authorizer.",
        )
    return len(wanted)


def _acls(principal: str, entry: Entry) -> Iterator[ACL]:
    pattern = ACLResourcePatternType.PREFIXED if entry.is_prefix else ACLResourcePatternType.LITERAL
    resource = ResourcePattern(ResourceType[entry.resource.upper()], entry.name, pattern)
    for operation in entry.operations:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
        yield ACL(principal, "*", ACLOperation[name], ACLPermissionType.ALLOW, resource)
