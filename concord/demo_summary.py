"""The demo's verdict: what agrees, what differs, counted and in words. `judge` is pure, `show` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from concord.cli_output import out, safe, say
from concord.comparison import EQUAL, Agreement, compare, doubled
from concord.demo_evidence import Evidence, Log, Mails
from simulators.ics import ImportReport
from streams.reasons import reason

SIDES: Final = {"graph": "Microsoft 365", "salesforce": "Practifi"}
# Problems that are printed; the number of all is printed as well.
PROBLEMS_SHOWN: Final = 20

Row = tuple[str, str]


@dataclass(frozen=True)
class Verdict:
    """Counts in sections of (name, value) rows, and every problem as a sentence; none means that all is well."""

    sections: tuple[tuple[str, tuple[Row, ...]], ...]
    problems: tuple[str, ...]


def judge(evidence: Evidence) -> Verdict:
    """Compare both sides, the mails and the imports. Pure."""
    agreement = compare(evidence.now)
    twins = doubled(evidence.now, evidence.before)
    problems = [
        *evidence.shortfalls,
        *agreement.problems,
        *twins,
        *_mail_problems(evidence.log.predicted, evidence.sent),
    ]
    if evidence.shared_marks:
        problems.append(f"{evidence.shared_marks} events carry a mark that another event carries")
    sections = [
        ("Changes, decisions, writes", (*_log_rows(evidence.log), ("workers restarted", str(evidence.restarts)))),
        ("Why, by decision", tuple(_reason_rows(evidence.log.decisions))),
        ("Mails", (
            ("predicted in the decisions", str(sum(evidence.log.predicted.values()))),
            ("sent by Exchange for these writes", str(sum(evidence.sent.values()))),
        )),
        ("Both sides compared", tuple(_agreement_rows(agreement, len(twins) + evidence.shared_marks))),
    ]  # fmt: skip
    for report in evidence.reports:
        rows, unaccounted = _import_rows(report, agreement.fates)
        sections.append((report.file, rows))
        problems += unaccounted
    total = sum(seconds for _, seconds in evidence.phases)
    times = [(what, f"{seconds:.1f} s") for what, seconds in (*evidence.phases, ("together", total))]
    sections.append(("Where the time went", tuple(times)))
    return Verdict(tuple(sections), tuple(problems))


def _mail_problems(predicted: Mails, sent: Mails) -> Iterator[str]:
    for (kind, address), count in sorted((predicted - sent).items()):
        yield f"mail predicted and not sent: {kind} to {address}, {count} times"
    for (kind, address), count in sorted((sent - predicted).items()):
        yield f"mail sent and not predicted: {kind} to {address}, {count} times"


def _log_rows(log: Log) -> Iterator[Row]:
    for side, name in SIDES.items():
        yield f"changes read from {name}", str(log.changes.get(side, 0))
    yield "pairs", str(log.pairs)
    yield "decisions", str(sum(log.decisions.values()))
    for side, name in SIDES.items():
        actions = {action: count for (of_side, action), count in sorted(log.writes.items()) if of_side == side}
        detail = ", ".join(f"{count} {action}" for action, count in actions.items())
        yield f"writes to {name}" + (f" ({detail})" if detail else ""), str(sum(actions.values()))


def _reason_rows(decisions: Mapping[str, int]) -> Iterator[Row]:
    for code, count in sorted(decisions.items(), key=lambda item: (-item[1], item[0])):
        yield f"{code}: {reason(code).text}", str(count)


def _agreement_rows(agreement: Agreement, duplicates: int) -> Iterator[Row]:
    yield "events in Microsoft 365", str(agreement.microsoft_events)
    yield "events in Practifi", str(agreement.practifi_events)
    yield EQUAL, str(agreement.agreeing)
    for why, number in sorted(agreement.refused.items()):
        yield f"rightly on one side only: {why}", str(number)
    yield "duplicates", str(duplicates)


def _import_rows(report: ImportReport, fates: Mapping[str, str]) -> tuple[tuple[Row, ...], list[str]]:
    """What became of each event of an iCalendar file, and what became of none that one knows of."""
    if report.problem:
        return (("not imported: " + report.problem, "0"),), []
    became = Counter(fates.get(event, "") for event in report.events)
    lost = became.pop("", 0)
    rows = [("events in the file", str(report.read)), (EQUAL, str(became.pop(EQUAL, 0)))]
    rows += [(f"not in Practifi: {why}", str(count)) for why, count in sorted(became.items())]
    refused = Counter(refusal.reason for refusal in report.refused)
    rows += [(f"not imported: {why}", str(count)) for why, count in sorted(refused.items())]
    if report.notes:
        rows.append(("imported with a part left out or completed", str(len(report.notes))))
    problems = [f"{report.file}: {lost} imported events are in no calendar"] if lost else []
    if report.read != len(report.events) + len(report.refused):
        problems.append(f"{report.file}: {report.read} events read, but {len(report.events)} imported and "
                        f"{len(report.refused)} refused")  # fmt: skip
    return tuple(rows), problems


def show(verdict: Verdict) -> None:
    """Print the counts, then every problem, then the verdict."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for title, rows in verdict.sections:
        table.add_row("", "")
        table.add_row(Text(safe(title), style="bold"), "")
        for name, value in rows:
            table.add_row(Text(f"  {safe(name)}"), Text(value))
    out.print(table)
    say("")
    for problem in verdict.problems[:PROBLEMS_SHOWN]:
        say(f"- {problem}")
    if len(verdict.problems) > PROBLEMS_SHOWN:
        say(f"- and {len(verdict.problems) - PROBLEMS_SHOWN} more")
    if verdict.problems:
        say(f"Not as it should be: {len(verdict.problems)} problems.", style="bold red")
    else:
        say("Both sides agree.", style="bold green")
