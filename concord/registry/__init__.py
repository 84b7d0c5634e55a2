"""An optional schema registry: Confluent's frame on the topics, the schemas in a registry that other tools ask.

`client` speaks the REST API, `provisioning` registers every schema, `ids` keeps on the log what each id means,
`framing` says which frame a process writes. Records in either frame are read by every process, once `install` was
called in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.identified import resolve_ids_with

if TYPE_CHECKING:
    from concord.registry.ids import KnownIds


def install(broker: str = "") -> None:
    """Let this process read records in a registry's frame, too; the broker is else the one that the environment names.
    Nothing is looked at before there is such a record."""
    known: list[KnownIds] = []

    def schema_of_id(number: int) -> Any:
        if not known:
            from concord.registry.ids import ids_on

            known.append(ids_on(broker))
        return known[0](number)

    resolve_ids_with(schema_of_id)
