"""What the benchmark returns: a row, its rank, and all that they were made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepfake_generalize.study.score_files import write_scores
from deepfake_generalize.study.tables import render

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from deepfake_generalize.study.coverage import Policy


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """A detector's row of Table V (or VI, VII), with what it was made from.

    The sets are keyed by their names, the original one by "original".

    Attributes:
        detector: The detector's name.
        row: One row, in percent and not rounded: detector, original_accuracy, the unseen sets in
            the order given, average, degradation; with specialized sets also those,
            specialized_average (where there are several), specialized_degradation and
            degradation_difference.
        rank: By degradation among the published thirty and this detector, 1 (least) to 31; a tie
            gets the better rank. None where the unseen sets are not the paper's four.
        rank_reason: Why there is no rank, or the empty string.
        auc: Set to area under the ROC curve, a fraction; None where a set has one class only.
        scores: Set to a table with a row an image: label, score (P(fake)), status, reason, path.
        coverage: Set to {"ok": images with a score, "total": images}.
        policy: What counts for images without a score: exclude, as-real, as-fake or as-chance.
        notes: What a reader of the numbers must know: what is left out, unbalanced sets, missing
            AUCs.
        provenance: Plain JSON values: library_version, threshold, policy, images (set to
            {"fake": n, "real": n}, scored ones), source (set to "crops" or "scores"), data_sha256
            (set to the checksum of which images it holds), detector (name, sha256, training),
            selection (by what its weights were chosen, where that is known) and versions.
    """

    detector: str
    row: pd.DataFrame
    rank: int | None
    rank_reason: str
    auc: dict[str, float | None]
    scores: dict[str, pd.DataFrame]
    coverage: dict[str, dict[str, int]]
    policy: Policy
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    def table(self, table_format: str = "markdown") -> str:
        """Return the row as the paper prints it: percent, two decimals, the rank first if any.

        Args:
            table_format: "markdown", "latex" (booktabs), "html", "csv" (columns named as in
                `published`) or "text".

        Raises:
            InputError: There is no such format.
        """
        frame = self.row.copy()
        if self.rank is not None:
            frame.insert(0, "rank", self.rank)
        return render(frame, table_format)

    def save_scores(self, folder: str | Path) -> list[Path]:
        """Write the scores of every set as a score file: NAME.csv with NAME.json beside it.

        Args:
            folder: Made if missing. `benchmark` takes the files in place of crops.

        Returns:
            The CSV files, the original set's first.

        Raises:
            InputError: The provenance holds what JSON cannot.
        """
        of_set = ("images", "source", "data_sha256")
        facts = {key: value for key, value in self.provenance.items() if key not in of_set}
        return [
            write_scores(folder, name, frame, {**facts, "source": self.provenance["source"][name]})
            for name, frame in self.scores.items()
        ]

    def __repr__(self) -> str:
        """Show the row, the rank or why there is none, and the notes."""
        rank = f"rank {self.rank}" if self.rank is not None else f"no rank: {self.rank_reason}"
        return "\n".join([self.table("text"), rank, *(f"note: {note}" for note in self.notes)])
