"""What the sets of a study share on purpose: counted for its record, and told in its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS = {"identity": "Persons", "video": "Videos", "near_duplicate": "Lookalike pairs"}
"""Kind of a finding of the audit to the column that counts it."""
_FIRST, _SECOND, _WHY = "Set", "Shares with", "Because"


def count_shared(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Count for each pair of sets the persons, videos and lookalikes that they share by design.

    Args:
        findings: What `data.audit_leakage` returned.

    Returns:
        One mapping a pair, in the order of the findings: set_a, set_b, and the count of each kind.
    """
    meant = findings[findings["by_design"].astype(bool)]
    return [
        {
            "set_a": str(a),
            "set_b": str(b),
            **{kind: int((rows["kind"] == kind).sum()) for kind in _KINDS},
        }
        for (a, b), rows in meant.groupby(["set_a", "set_b"], sort=False)
    ]


def shared_table(shared: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return what `count_shared` counted as a table, with the reason for each pair.

    Examples:
        >>> pair = {"set_a": "F2F train", "set_b": "FS-I test", "identity": 9, "video": 9}
        >>> shared_table([pair | {"near_duplicate": 0}])["Because"].item()
        'Table VII asks whether known persons make it easier'
    """
    rows = [
        {
            _FIRST: each["set_a"],
            _SECOND: each["set_b"],
            **{column: each[kind] for kind, column in _KINDS.items()},
            _WHY: _why(each["set_a"], each["set_b"]),
        }
        for each in shared
    ]
    return pd.DataFrame(rows, columns=[_FIRST, _SECOND, *_KINDS.values(), _WHY])


def _why(first: str, second: str) -> str:
    both = f"{first} {second}"
    if "CELEB-M" in both:
        return "Table VI asks about the method: other clips, of the same persons"
    if "F2F" in both:
        return "Table VII asks whether known persons make it easier"
    if "test" in both:
        return "the same persons under several methods, so that only the method differs"
    return "the few-shot images: the same persons under two methods"
