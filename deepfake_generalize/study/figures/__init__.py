"""The paper's Figures 2, 3 and 5, ranks, and what helps, drawn from plain arrays and tables."""

from __future__ import annotations

from deepfake_generalize.study.figures.drawing import draw_and_save, save_figure, save_svg
from deepfake_generalize.study.figures.heat_maps import figure_2
from deepfake_generalize.study.figures.neurons import figure_5
from deepfake_generalize.study.figures.rank import figure_rank
from deepfake_generalize.study.figures.robustness import figure_robustness
from deepfake_generalize.study.figures.similarity import figure_3
from deepfake_generalize.study.figures.what_helps import figure_what_helps

__all__ = [
    "draw_and_save",
    "figure_2",
    "figure_3",
    "figure_5",
    "figure_rank",
    "figure_robustness",
    "figure_what_helps",
    "save_figure",
    "save_svg",
]
