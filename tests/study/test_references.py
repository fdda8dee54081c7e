"""What others published, and a detector's AUC beside it."""

import pandas as pd
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import benchmark, published

# As the projects' READMEs print them, typed again: source, detector, unit, set, AUC in percent.
FACTS = """
deepfakebench Meso4 frame Celeb-DF-v2 60.91
deepfakebench MesoInception frame Celeb-DF-v2 69.66
deepfakebench Xception frame Celeb-DF-v2 73.65
deepfakebench Xception frame DFDC 70.77
deepfakebench Xception frame DFDCP 73.74
deepfakebench EfficientNet-B4 frame Celeb-DF-v1 79.09
deepfakebench EfficientNet-B4 frame Celeb-DF-v2 74.87
deepfakebench EfficientNet-B4 frame DFD 81.48
deepfakebench EfficientNet-B4 frame DFDC 69.55
deepfakebench EfficientNet-B4 frame DFDCP 72.83
deepfakebench UCF frame Celeb-DF-v2 75.27
deepfakebench UCF frame DFDC 71.91
deepfakebench SPSL frame Celeb-DF-v2 76.50
forensics-adapter SBI frame Celeb-DF-v2 81.3
forensics-adapter SBI frame DFDCP 79.9
forensics-adapter SBI frame DFD 77.4
forensics-adapter LSDA frame Celeb-DF-v2 83.0
forensics-adapter LSDA frame DFDC 73.6
forensics-adapter LSDA frame DFDCP 81.5
forensics-adapter Forensics_Adapter frame Celeb-DF-v2 90.0
forensics-adapter Forensics_Adapter frame DFD 93.3
forensics-adapter SBI video Celeb-DF-v2 93.2
forensics-adapter SBI video DFDC 72.4
forensics-adapter LAA-Net video DFDCP 86.9
forensics-adapter Forensics_Adapter video DFDC 87.2
sbi SBI video Celeb-DF-v2 93.82
sbi SBI video FFIW 84.52
"""


@pytest.mark.parametrize("fact", FACTS.strip().splitlines())
def test_numbers_are_those_that_were_printed(fact: str) -> None:
    source, detector, unit, name, percent = fact.split()
    table = published(source).set_index(["detector", "unit", "set"])
    table = table.loc[[(detector.replace("_", " "), unit, name)]]
    assert table["auc"].iloc[0] == float(percent)


def test_every_row_says_unit_training_set_and_source() -> None:
    for source in ("deepfakebench", "forensics-adapter", "sbi"):
        table = published(source)
        assert list(table) == ["detector", "training_set", "unit", "set", "auc", "source"]
        assert set(table["unit"]) <= {"frame", "video"}
        assert table["training_set"].str.startswith("FF++").all()
        assert table["auc"].between(50, 100).all()
        assert not table.duplicated(["detector", "training_set", "unit", "set"]).any()


def scores(found: float) -> pd.DataFrame:
    rows = {"label": [1, 0] * 20, "score": [found, 0.4] * 20}
    return pd.DataFrame(rows | {"video": [f"/v/{i // 4}-{i % 2}.mp4" for i in range(40)]})


@pytest.fixture(scope="module")
def result():
    away = {"CDFv2": scores(0.4), "celeb_df_v1": scores(0.9), "mine": scores(0.9)}
    return benchmark(
        "x",
        original=scores(0.9),
        unseen=away,
        trained_on={"FF++ c23": None},
        audit=False,
        resampling=None,
    )


def test_a_detector_stands_beside_the_published_on_the_sets_of_both(result) -> None:
    found = result.beside("deepfakebench")
    assert found.iloc[0].tolist() == ["x", "FF++ c23", 50.0, 100.0]
    assert list(found.columns[2:]) == ["CDFv2", "celeb_df_v1"]
    theirs = found.set_index("detector")
    assert theirs.loc["Xception"].tolist() == ["FF++ c23", 73.65, 77.94]
    assert len(found) == 16


def test_units_are_never_mixed(result) -> None:
    found = result.beside("forensics-adapter", unit="video").set_index("detector")
    assert found.loc["SBI", "CDFv2"] == 93.2
    assert found.loc["x", "CDFv2"] == 50.0
    frames = result.beside("forensics-adapter").set_index("detector")
    assert frames.loc["SBI", "CDFv2"] == 81.3
    assert "LAA-Net" not in frames.index
    with pytest.raises(InputError, match="unit to be one of frame, received 'video'"):
        result.beside("deepfakebench", unit="video")


def test_what_cannot_be_compared_is_refused() -> None:
    alone = benchmark(
        "x", original=scores(0.9), unseen={"A": scores(0.4)}, audit=False, resampling=None
    )
    with pytest.raises(InputError, match="expected a set that sbi has AUCs for, received") as no:
        alone.beside("sbi", unit="video")
    assert "Celeb-DF-v2" in no.value.hint
    with pytest.raises(InputError, match="source to be one of deepfakebench, forensics-adapter"):
        alone.beside("paper")
