"""Figures that a notebook shows."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that a notebook shows as a cell's last line, as it does those of pyplot only."""

    def _repr_png_(self) -> bytes:
        """Draw it for the notebook."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=120)
        return file.getvalue()
