"""What a notebook shows of the library's objects: tables and text, whatever the names in them."""

from __future__ import annotations

import warnings
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import causal, data, models, study
from deepfake_generalize.study.figures.drawing import draw_panels

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "notebook.ipynb"
HOSTILE = "<img src=x onerror=alert(1)>&\x1b|`"
SHOWN = "<img src=x onerror=alert(1)>&\\x1b|`"


class Page(HTMLParser):
    """Reads a page's tags, which must nest, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.open, self.text = set[str](), [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        assert attrs in ([], [("style", "text-align: right")])  # No colour: a page may be dark.

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def detector() -> tuple[Any, list[str]]:
    return models.Detector(models.mesonet((32, 32, 3)), name=HOSTILE), [SHOWN, "32 x 32", "11,945"]


def extraction() -> tuple[Any, list[str]]:
    lost = pd.DataFrame({"frame": [1, 2], "status": "no_face", "reason": HOSTILE})
    made = data.Extraction(pd.DataFrame({"path": ["a"]}), lost, Path("crops"), 3, 3, 1.0)
    return made, [SHOWN, "no_face", "3 videos"]


def splits() -> tuple[Any, list[str]]:
    rows = [
        {"path": f"{kind}/{i}.png", "video": f"{kind}/{i}.mp4", "label": label}
        for label, kind in enumerate(("real", "fake"))
        for i in range(5)
    ]
    crops = pd.DataFrame(rows, columns=list(data.CROP_COLUMNS))
    made = data.balanced_splits(crops, train=4, val=2, test=2, by="video")
    return made, ["train4224", "dropped11more fake images", made.sha256]


def effects() -> tuple[Any, list[str]]:
    outcome = np.zeros((1024, 4))
    outcome[17, 0], outcome[3, 1] = 0.5, 0.25
    made = causal.NeuronEffects(np.zeros((1024, 4)), outcome)
    assert repr(made) == "NeuronEffects(1024 neurons, 4 steps, neuron 17 most: 0.5000)"
    return made, ["1024", "170.5000", "30.2500"]


def overlap() -> tuple[Any, list[str]]:
    controls = {HOSTILE: [{"a": np.array([3, 2, 1, 0]), "b": np.array([0, 1, 2, 3])}] * 2}
    own = {"a": np.array([4.0, 3, 2, 1]), "b": np.array([4.0, 3, 2, 1])}
    # Two tops of 2 in 4: all is shared with p = 1/6, and 2 x 2 / 4 = 1 by chance.
    return causal.overlap(own, 2, controls=controls), [SHOWN, "2 of 2 datasets21.000.00", "0.17"]


def benchmarked() -> tuple[Any, list[str]]:
    rows = pd.DataFrame({"label": [0, 1] * 20, "score": [0.1, 0.9] * 20, "video": range(40)})
    rows["video"] = [f"{name}.mp4" for name in rows["video"]]
    found = study.benchmark([HOSTILE], original=rows, unseen={HOSTILE: rows}, audit=False)
    assert SHOWN in Page(found._repr_html_()).text
    return found.results[HOSTILE], [SHOWN, "100.00 [100.00, 100.00]", "no rank"]


def finished() -> tuple[Any, list[str]]:
    made = study.Study(Path("run"), study.StudyConfig.demo())
    table = pd.DataFrame({"detector": [HOSTILE], "degradation": [1.0]})
    finding = SimpleNamespace(number=1, claim="none generalizes", verdict="holds")
    vars(made)["results"] = SimpleNamespace(
        table=lambda *_: table, findings=[finding], synthetic=True
    )
    return made, [
        SHOWN,
        ", on synthetic faces",
        "Finding 1, none generalizes: holds",
        "report.html",
    ]


MADE = [detector, extraction, splits, effects, overlap, benchmarked, finished]


@pytest.mark.parametrize("make", MADE)
def test_an_object_is_shown_as_a_table_with_every_name_escaped(make) -> None:
    shown, texts = make()
    page = Page(shown._repr_html_())
    assert {"div", "strong", "table", "th", "td"} <= page.tags
    assert page.tags <= {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert [text for text in texts if text not in page.text] == []


def test_a_figure_is_a_picture_without_pyplot() -> None:
    figure = draw_panels(
        {"a": lambda axes: axes.bar([0], [1], label="one")},
        columns=1,
        size=(3, 2),
        notes="n",
        ylabel="",
        synthetic=False,
    )
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_example_notebook_runs_and_shows_objects_and_figures(tmp_path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    stored = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in stored.cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the loop that runs it, not of the library.
        place = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(stored, timeout=300, resources=place).execute()
    outputs = [out for cell in stored.cells for out in cell.get("outputs", ())]
    kinds = [kind for out in outputs if "data" in out for kind in out["data"]]
    assert (kinds.count("text/html"), kinds.count("image/png")) == (3, 2)


def test_what_a_room_lists_is_what_it_promises() -> None:
    assert "pd" not in dir(data)
    assert {"importlib", "TYPE_CHECKING"}.isdisjoint(dir(__import__("deepfake_generalize")))
