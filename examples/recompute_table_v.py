"""Recompute the degradation of the paper's thirty detectors from its printed accuracies."""

import deepfake_generalize as dg

UNSEEN = ["FS", "NT", "DF", "DFD"]

table = dg.study.published("V")
for row in table.to_dict("records"):
    ours = dg.metrics.degradation(row["original_accuracy"], [row[name] for name in UNSEEN])
    print(
        f"{row['rank']:>2}  {row['detector']:<16} printed {row['degradation']:6.2f}  ours {ours:6.2f}"
    )
