"""The paper's figures, drawn from plain arrays and frames."""

from __future__ import annotations

from deepfake_generalize.study.figures.drawing import save_figure
from deepfake_generalize.study.figures.heat_maps import figure_2
from deepfake_generalize.study.figures.neurons import figure_5
from deepfake_generalize.study.figures.rank import figure_standing
from deepfake_generalize.study.figures.similarity import figure_3

__all__ = ["figure_2", "figure_3", "figure_5", "figure_standing", "save_figure"]
