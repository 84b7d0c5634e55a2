"""The table of rules: complete, true, and as it is checked in."""

from __future__ import annotations

import ast
from dataclasses import replace

from support.marks import ROOT, marked
from support.rules import TABLE, problems, proofs, table

from streams.reasons import REASONS
from streams.rules import RULES


def test_every_rule_is_proven_and_the_table_is_up_to_date() -> None:
    """Each rule has a test and a place that exists; `make rules` writes the page."""
    proven = proofs(ROOT / "tests")
    assert problems(RULES, proven) == []
    assert TABLE.read_text(encoding="utf-8") == table(RULES, proven), "run `make rules`"


def test_what_is_missing_is_found() -> None:
    """A rule without a test, a mark without a rule and a place that is gone are each told."""
    rule = RULES[0]
    assert "has no test" in problems((rule,), {})[0]
    assert "does not exist" in problems((rule,), {rule.number: ["a"], "99.1": ["b"]})[0]
    assert "does not exist" in problems((replace(rule, decided_by="streams.policy:gone"),), {rule.number: ["a"]})[0]


def test_marks_are_read_from_the_text_of_a_test() -> None:
    """Several marks, several numbers in one; other marks and other functions are passed over."""
    source = """
@pytest.mark.rule("7.1", "7.2")
@pytest.mark.rule("10.3")
@pytest.mark.broker
def test_one(): ...

@pytest.mark.rule("7.3")
def helper(): ...
"""
    assert list(marked(ast.parse(source), "rule")) == [("test_one", ("7.1", "7.2")), ("test_one", ("10.3",))]


def test_every_reason_names_a_rule_or_a_section() -> None:
    """A reason code points to a rule of the table, or to the section that the rule stands in."""
    sections = {rule.number.partition(".")[0] for rule in RULES}
    known = {rule.number for rule in RULES} | sections | {"1.6", "6", "8"}
    assert {reason.rule for reason in REASONS.values()} - known == set()
