"""PromQL as far as tests need it: what an expression asks for, and which samples a selector means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from promql_parser import AggregateExpr, BinaryExpr, Call, MatchOp, MatrixSelector, ParenExpr, UnaryExpr, VectorSelector


def inner(node: Any) -> list[Any]:
    """What a part of an expression is made of."""
    if isinstance(node, (AggregateExpr, ParenExpr, UnaryExpr)):
        return [node.expr]
    if isinstance(node, BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, Call):
        return list(node.args)
    return [node.vector_selector] if isinstance(node, MatrixSelector) else []


def parts(node: Any) -> Iterator[Any]:
    """A parsed expression and everything inside it."""
    yield node
    for one in inner(node):
        yield from parts(one)


def selectors(expression: str) -> list[VectorSelector]:
    """Every metric that an expression asks for. Raises ValueError when it is no PromQL."""
    return [one for one in parts(promql_parser.parse(expression)) if isinstance(one, VectorSelector)]


def samples_in(text: str) -> list[Sample]:
    """What a page of metrics holds."""
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def selected(expression: str, samples: list[Sample]) -> list[Sample]:
    """The samples that the one selector of an expression means; of its matchers, = and =~ only."""
    (selector,) = selectors(expression)
    matchers = [(one.name, one.op, one.value) for one in selector.matchers.matchers]
    assert all(op in (MatchOp.Equal, MatchOp.Re) for _, op, _ in matchers)
    patterns = {name: value if op == MatchOp.Re else re.escape(value) for name, op, value in matchers}
    return [
        sample
        for sample in samples
        if sample.name == selector.name
        and all(re.fullmatch(pattern, sample.labels.get(name, "")) for name, pattern in patterns.items())
    ]
