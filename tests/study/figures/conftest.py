"""What the tests of the figures share."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


@pytest.fixture
def written():
    """Return a function that draws a figure and gives its visible texts, none cut off or hit."""

    def texts(figure):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        found = [
            each
            for each in figure.findobj(Text)
            if each.get_text().strip() and each.get_visible() and _is_drawn(each)
        ]
        boxes = [each.get_window_extent(renderer) for each in found]
        for text, box in zip(found, boxes, strict=True):
            inside = box.x0 >= 0 and box.y0 >= 0
            inside &= box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
            assert inside, f"cut off: {text.get_text()}"
        for (a, box), (b, other) in combinations(zip(found, boxes, strict=True), 2):
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            along = min(box.y1, other.y1) - max(box.y0, other.y0)
            hit = across > 1 and along > 1
            assert not hit, f"one over the other: {a.get_text()!r}, {b.get_text()!r}"
        return [each.get_text() for each in found]

    return texts


def _is_drawn(text):
    axes = text.axes
    return axes is None or axes.axison or text in axes.texts
