"""Words that tables and report share."""

from __future__ import annotations

SYNTHETIC = (
    "Synthetic data: these faces are drawn, not filmed. They show how the study works and are no "
    "evidence about real deepfakes."
)
CAPTIONS = {
    "table_iv": "Table IV: the detectors and their accuracy on the original test sets (%).",
    "table_v": "Table V: accuracy on unseen sets (%), least degradation first.",
    "table_vi": "Table VI: the same synthesis method, other material (%). CELEB-trained detectors "
    "that degrade by more than 30 points.",
    "table_vii": "Table VII: the same people, other methods (%). F2F-trained detectors that "
    "degrade by more than 30 points.",
}
