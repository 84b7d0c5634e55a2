"""Held: writes that wait for a person; which, why, who would be mailed, and what is done about them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.responses import Response

from concord.cli_held import mail_words, sum_words
from concord.console.accounts import Role
from concord.console.desk import in_force
from concord.console.pages import Page, Visit
from concord.held import Waiting, waiting
from schemas.commands import HoldKind
from schemas.journal import OperatorVerb

# Writes on one page; the longest waiting first.
PAGE: Final = 100
KINDS: Final = {HoldKind.INVITATIONS.value: "Mails many people", HoldKind.DELETIONS.value: "Deletes many events"}
VERBS: Final = {"release": OperatorVerb.RELEASE, "drop": OperatorVerb.DROP}


def mark(row: Waiting) -> str:
    """Names a write as it is shown: what comes in its place later has another mark."""
    return f"{row.hold.digest} {row.pair_key}"


def rows_of(visit: Visit) -> list[Waiting]:
    """Everything that waits."""
    return waiting(visit.desk.pairs().states, in_force(visit.desk.documents()))


def of_marks(visit: Visit, wanted: Collection[str]) -> list[Waiting]:
    """What waits under these marks."""
    return [row for row in rows_of(visit) if mark(row) in wanted]


def show(visit: Visit) -> Response:
    """What waits; `user` and `kind` narrow it."""
    rows, user, kind = rows_of(visit), visit.query.one("user"), visit.query.one("kind")
    users = sorted({row.user for row in rows})
    found = [row for row in rows if user in ("", row.user) and kind in ("", row.hold.kind)]
    return visit.show(
        "held.html", rows=found[:PAGE], more=max(0, len(found) - PAGE), users=users, user=user, kind=kind, kinds=KINDS,
        mark=mark, mail_words=mail_words, may_act=visit.who.role >= Role.OPERATOR,
    )  # fmt: skip


def review(visit: Visit) -> Response:
    """What would be done with those that are ticked."""
    verb, wanted = visit.form.one("verb"), set(visit.form.all("hold"))
    rows = of_marks(visit, wanted)
    if verb not in VERBS or not rows:
        return visit.go("/held", "Tick what you mean, then press again." if not wanted else _changed(len(wanted)))
    return visit.show(
        "held_review.html", verb=verb, rows=rows, gone=len(wanted) - len(rows), sum=sum_words(rows), mark=mark,
        mail_words=mail_words,
    )  # fmt: skip


def act(visit: Visit) -> Response:
    """Release or drop what was shown, and nothing that came in its place. Sent twice, it acts once."""
    verb, wanted = visit.form.one("verb"), set(visit.form.all("hold"))
    rows = of_marks(visit, wanted)
    if verb not in VERBS or not rows:
        return visit.go("/held", _changed(len(wanted)))
    visit.desk.act(rows, VERBS[verb], by=visit.who.name)
    done = "released: made within a moment" if verb == "release" else "dropped: not made"
    left = len(wanted) - len(rows)
    also = f" {_changed(left)}" if left else ""
    return visit.go("/held", f"{len(rows)} {done}.{also}")


def _changed(count: int) -> str:
    return f"{count} of those {'is' if count == 1 else 'are'} done already, or changed since and waiting anew."


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page("/held", show, Role.VIEWER, is_live=True),
        Page("/held/review", review, Role.OPERATOR, "POST"),
        Page("/held/act", act, Role.OPERATOR, "POST"),
    )
