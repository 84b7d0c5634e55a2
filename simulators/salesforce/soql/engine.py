"""Running SOQL: the rows of a statement in order, and their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from simulators.salesforce.schema import Schema, SObject
from simulators.salesforce.soql.columns import Columns, Target, no_object
from simulators.salesforce.soql.filter import Filter, FilterCompiler
from simulators.salesforce.soql.groups import Groups
from simulators.salesforce.soql.parser import parse
from simulators.salesforce.soql.render import Node, record_json
from simulators.salesforce.soql.syntax import (
    Aggregate,
    Column,
    FieldsOf,
    Order,
    Path,
    Query,
    SoqlError,
    Subquery,
)
from simulators.salesforce.store import Row, Store, index_key

FIELDS_LIMIT: Final = 200
"""Highest LIMIT of a statement that selects FIELDS(ALL) or FIELDS(CUSTOM)."""


@dataclass(frozen=True)
class Viewer:
    """Who asks and when: `zone` decides the days of date literals, `all_rows` shows deleted and archived rows too."""

    now: datetime
    zone: ZoneInfo
    all_rows: bool = False


@dataclass(frozen=True)
class Child:
    """A compiled child query: the column that points back, and the plan of the child's rows."""

    name: str
    back: str
    plan: Plan


class Plan:
    """A compiled statement. Reading its rows sees the store as it then is."""

    def __init__(self, engine: Soql, query: Query, sobject: SObject) -> None:
        self.query = query
        self.sobject = sobject
        self.nodes: dict[str, Node] = {}
        self.children: list[Child] = []
        self.paths: list[str] = []
        """The selected field paths in order, in the org's own spelling."""
        self.counts_only = False
        self.filter: Filter | None = None
        self._engine = engine
        self._sort_keys: list[tuple[Target, Order]] = []
        self.grouped: Groups | None = None

    def bind_order(self, keys: list[tuple[Target, Order]]) -> None:
        """Set the sort keys."""
        self._sort_keys = keys

    def rows(self) -> list[Row]:
        """The rows in order, after LIMIT and OFFSET."""
        found = self._engine.candidates(self.sobject, self.filter)
        for target, order in reversed(self._sort_keys):
            found = _sorted(found, target, order)
        end = None if self.query.limit is None else self.query.offset + self.query.limit
        return found[self.query.offset : end]

    def record(self, row: Row, version: str) -> dict[str, Any]:
        """The JSON of one row, child records included."""
        body = record_json(self._engine.columns, self.sobject, self.nodes, row, version)
        for child in self.children:
            body[child.name] = self._children_json(child, row, version)
        return body

    def _children_json(self, child: Child, row: Row, version: str) -> dict[str, Any] | None:
        plan = child.plan
        own = self._engine.candidates_of_parent(plan.sobject, child.back, row["Id"], plan.filter)
        for target, order in reversed(plan._sort_keys):
            own = _sorted(own, target, order)
        own = own[: plan.query.limit]
        if not own:
            return None
        return {"totalSize": len(own), "done": True, "records": [plan.record(item, version) for item in own]}

    def groups(self) -> list[dict[str, Any]]:
        """The AggregateResult records of a grouped statement."""
        assert self.grouped is not None, "the caller has asked whether it is grouped"
        return self.grouped.records(self._engine.candidates(self.sobject, self.filter))


class Soql:
    """Compiles statements for one schema view and one viewer."""

    def __init__(self, schema: Schema, store: Store, viewer: Viewer) -> None:
        self.schema = schema
        self.store = store
        self.columns = Columns(schema, store)
        self._viewer = viewer
        self._filters = FilterCompiler(self.columns, viewer.now, viewer.zone, self._ids_of)

    def plan(self, text: str) -> Plan:
        """The compiled statement. Raises SalesforceError, its message pointing at the fault."""
        try:
            query = parse(text)
            sobject = self.schema.find(query.sobject)
            if sobject is None or "query" not in sobject.calls:
                raise no_object(query.sobject, query.at)
            return self._compile(query, sobject)
        except SoqlError as error:
            raise error.located_in(text) from None

    def projection(self, sobject: SObject, names: Iterable[str]) -> dict[str, Node]:
        """The nodes for a list of field paths, `Id` first. Raises SoqlError."""
        plan = Plan(self, Query((), sobject.name, 0), sobject)
        for name in dict.fromkeys(["id", *(name.strip().lower() for name in names)]):
            self._select_column(plan, Column(Path(tuple(name.split(".")), 0)))
        return plan.nodes

    def _compile(self, query: Query, sobject: SObject) -> Plan:
        plan = Plan(self, query, sobject)
        aggregates = [item for item in query.selected if isinstance(item, Aggregate)]
        plan.counts_only = len(query.selected) == 1 and bool(aggregates) and aggregates[0].path is None
        if query.where is not None:
            plan.filter = self._filters.compile(sobject, query.where)
        if plan.counts_only and not query.group:
            return plan
        plan.counts_only = False
        if aggregates or query.group:
            plan.grouped = Groups(self.columns, sobject, query, self._filters.value)
            return plan
        for item in query.selected:
            self._select(plan, item)
        plan.bind_order([(self._sortable(sobject, order.path), order) for order in query.order])
        return plan

    def _select(self, plan: Plan, item: Column | Aggregate | FieldsOf | Subquery) -> None:
        match item:
            case Column():
                self._select_column(plan, item)
            case FieldsOf(kind, at):
                if kind != "STANDARD" and not 0 < (plan.query.limit or 0) <= FIELDS_LIMIT:
                    message = f"The SOQL FIELDS function must have a LIMIT of at most {FIELDS_LIMIT}"
                    raise SoqlError("MALFORMED_QUERY", message, at)
                for field in plan.sobject.fields:
                    if kind == "ALL" or field.custom == (kind == "CUSTOM"):
                        plan.nodes.setdefault(field.name, Node(field))
                        plan.paths.append(field.name)
            case Subquery(query):
                plan.children.append(self._child(plan.sobject, query))
            case Aggregate():
                raise AssertionError("aggregates are compiled as groups")

    def _select_column(self, plan: Plan, item: Column) -> None:
        target = self.columns.resolve(plan.sobject, item.path)
        if item.alias:
            message = "only aggregate expressions use field aliasing"
            raise SoqlError("MALFORMED_QUERY", message, item.path.at)
        nodes = plan.nodes
        for step in target.steps:
            below = nodes.setdefault(step.relationship or "", Node(step, children={})).children
            assert below is not None, "no field has the name of a relationship"
            nodes = below
        if target.field.name in nodes:
            message = f"duplicate field selected: {item.path.names[-1]}"
            raise SoqlError("MALFORMED_QUERY", message, item.path.at)
        nodes[target.field.name] = Node(target.field, label=item.label)
        plan.paths.append(".".join([*(step.relationship or "" for step in target.steps), target.field.name]))

    def _child(self, parent: SObject, query: Query) -> Child:
        for relationship in self.schema.children(parent):
            if relationship.name.lower() == query.sobject.lower():
                plan = self._compile(query, relationship.child)
                if plan.counts_only or plan.grouped or plan.children:
                    raise SoqlError("MALFORMED_QUERY", "only field names are allowed in a child query", query.at)
                return Child(relationship.name, relationship.field.column, plan)
        message = (
            f"Didn't understand relationship '{query.sobject}' in FROM part of query call. If you are attempting to "
            "use a custom relationship, be sure to append the '__r' after the custom relationship name."
        )
        raise SoqlError("INVALID_TYPE", message, query.at)

    def _sortable(self, sobject: SObject, path: Path | Aggregate) -> Target:
        if isinstance(path, Aggregate):
            raise SoqlError("MALFORMED_QUERY", "an aggregate in ORDER BY needs a grouped query", path.at)
        target = self.columns.resolve(sobject, path)
        if not target.field.filterable:
            message = f"field '{target.field.name}' can not be sorted in a query call"
            raise SoqlError("INVALID_FIELD", message, path.at)
        return target

    def _ids_of(self, query: Query, left: str) -> set[str]:
        """The ids that a subquery of IN yields."""
        sobject = self.schema.find(query.sobject)
        if sobject is None:
            raise no_object(query.sobject, query.at)
        if len(query.selected) != 1 or not isinstance(query.selected[0], Column):
            raise SoqlError("MALFORMED_QUERY", f"the subquery after {left} must select one field", query.at)
        target = self.columns.resolve(sobject, query.selected[0].path)
        if not target.field.is_id:
            raise SoqlError("MALFORMED_QUERY", f"the subquery after {left} must select an id", query.at)
        return {value for row in self._compile(query, sobject).rows() if (value := target.read(row)) is not None}

    def candidates(self, sobject: SObject, condition: Filter | None) -> list[Row]:
        """The visible rows that pass a filter, in order of their ids."""
        table = self.store.tables[sobject.table]
        narrowed: Iterable[str] | None = None
        if condition is not None:
            narrowed = condition.ids() if condition.ids is not None else None
            if condition.spans:
                column, span = min(
                    condition.spans, key=lambda item: table.count_between(item[0], item[1].low, item[1].high)
                )
                in_span = table.count_between(column, span.low, span.high)
                if narrowed is None or in_span < len(narrowed := list(narrowed)):
                    narrowed = table.between(column, span.low, span.high)
        rows = table.rows.values() if narrowed is None else (table.rows[key] for key in sorted(set(narrowed)))
        return self._passing(sobject, rows, condition)

    def candidates_of_parent(self, sobject: SObject, back: str, parent: str, condition: Filter | None) -> list[Row]:
        """The visible rows of a child object that point to a parent and pass a filter."""
        table = self.store.tables[sobject.table]
        return self._passing(sobject, (table.rows[key] for key in table.with_value(back, parent)), condition)

    def _passing(self, sobject: SObject, rows: Iterable[Row], condition: Filter | None) -> list[Row]:
        view, all_rows = sobject.view_where, self._viewer.all_rows
        return [
            row
            for row in rows
            if (all_rows or not (row.get("IsDeleted") or row.get("IsArchived")))
            and (not view or all(row.get(name) == value for name, value in view))
            and (condition is None or condition.test(row))
        ]


def _sorted(rows: Sequence[Row], target: Target, order: Order) -> list[Row]:
    field, read = target.field, target.read
    keyed = [(index_key(field, read(row)), row) for row in rows]
    empty = [row for key, row in keyed if key is None]
    held = sorted(((key, row) for key, row in keyed if key is not None), key=lambda item: item[0])
    if order.descending:
        # Reversed by key only: rows that are equal keep their order.
        held = sorted(held, key=lambda item: item[0], reverse=True)
    full = [row for _key, row in held]
    return full + empty if order.nulls_last else empty + full
