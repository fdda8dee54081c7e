"""Recompute the degradation of the paper's thirty detectors from its printed accuracies."""

import deepfake_generalize as dg

UNSEEN = ["FS", "NT", "DF", "DFD"]

for row in dg.study.published("V").to_dict("records"):
    ours = dg.metrics.degradation(row["original_accuracy"], [row[name] for name in UNSEEN])
    printed = row["degradation"]
    print(f"{row['rank']:>2}  {row['detector']:<16} printed {printed:6.2f}  ours {ours:6.2f}")
