"""A planted shortcut is told, its absence is not; AUCs against scikit-learn."""

import io

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data as pictures
from sklearn.metrics import roc_auc_score

from deepfake_generalize.data import ShortcutWarning, audit_shortcuts, pack, read_crops
from deepfake_generalize.data.shortcuts import _blockiness, _last_quality
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Resampling, bootstrap_interval


@pytest.fixture(scope="module")
def faces(drawn_faces, tmp_path_factory) -> pd.DataFrame:
    """Real and "fake" faces of 12 people, between which there is no difference at all."""
    folder = tmp_path_factory.mktemp("faces")
    images, labels = drawn_faces(None, range(12), per_identity=8)
    rows = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), image[..., ::-1])
        rows.append({"path": str(path), "label": int(label), "video": f"/v/{number // 8}.mp4"})
    return pd.DataFrame(rows)


def again(faces: pd.DataFrame, folder, suffix: str, labels=(1,)) -> pd.DataFrame:
    """Save those of some labels once more, at JPEG quality 75; as PNG they keep only its traces."""
    out = faces.copy()
    for row in faces.index[faces["label"].isin(labels)]:
        file = io.BytesIO()
        Image.open(faces["path"][row]).save(file, "JPEG", quality=75)
        path = folder / f"{row}{suffix}"
        Image.open(file).save(path) if suffix == ".png" else path.write_bytes(file.getvalue())
        out.loc[row, "path"] = str(path)
    return out


@pytest.mark.parametrize("suffix", [".jpg", pytest.param(".png", marks=pytest.mark.slow)])
def test_fakes_saved_once_more_are_told(faces, tmp_path, suffix: str) -> None:
    planted = again(faces, tmp_path, suffix)
    with pytest.warns(
        ShortcutWarning, match=r"the set mine can be told .* by .*JPEG quality \(AUC"
    ):
        found = audit_shortcuts({"mine": planted}).set_index("cue")
    assert found["auc"]["JPEG quality"] == 1.0
    assert found["higher_in"]["JPEG quality"] == "real"
    assert found["fake"]["JPEG quality"] == pytest.approx(75, abs=1)
    assert found["real"]["JPEG quality"] == 100.0
    assert ("file format: JPEG" in found.index) == (suffix == ".jpg")


@pytest.mark.parametrize("labels", [(0, 1), pytest.param((), marks=pytest.mark.slow)])
def test_without_a_difference_it_is_quiet(faces, tmp_path, labels) -> None:
    found = audit_shortcuts(again(faces, tmp_path, ".jpg", labels))  # Warnings are errors.
    assert not found["told"].any()
    assert found["auc"].between(0.5, 0.7).all()
    assert ((found["higher_in"] == "neither") == (found["auc"] == 0.5)).all()
    assert "neither" in set(found["higher_in"])
    assert found.attrs["notes"] == []


def test_aucs_and_intervals_are_those_of_the_cue_alone(faces) -> None:
    how = Resampling(n_resamples=100, seed=2)
    found = audit_shortcuts(faces, resampling=how).set_index("cue").loc["sharpness"]
    cue = np.array(
        [
            cv2.Laplacian(cv2.imread(path, cv2.IMREAD_GRAYSCALE), cv2.CV_64F).var()
            for path in faces["path"]
        ]
    )
    plain = roc_auc_score(faces["label"], cue)
    assert found["auc"] == pytest.approx(max(plain, 1 - plain), abs=1e-3)
    assert found["higher_in"] == ("fake" if plain >= 0.5 else "real")
    assert found["n_real"] == found["n_fake"] == 48
    scores = pd.Series(cue if plain >= 0.5 else -cue).rank(pct=True)
    groups = [f"{label}\t{n // 8}" for n, label in enumerate(faces["label"])]
    by_hand = bootstrap_interval(
        ["auc"], faces["label"], scores, groups=groups, n_resamples=100, seed=2
    )["auc"]
    assert (found["auc_low"], found["auc_high"]) == pytest.approx(
        (by_hand.low, by_hand.high), abs=0.02
    )


@pytest.mark.parametrize("quality", [10, 30, 50, 60, 75, 85, 90, 95])
def test_the_quality_is_read_from_traces(quality: int) -> None:
    picture = np.ascontiguousarray(pictures.astronaut()[:200, 60:260])
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    saved = np.asarray(Image.open(file))
    assert _last_quality(saved) == pytest.approx(quality, abs=1)
    # Off the grid there is none, nor in what was never saved so, nor in a flat picture.
    for without in (saved[3:, 5:], picture, np.full((64, 64, 3), 90, np.uint8)):
        assert _last_quality(without) == 100.0


def test_blocks_stand_out_wherever_they_begin() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (96, 96), np.uint8), (0, 0), 3)
    blocks = np.kron(rng.integers(0, 256, (12, 12)), np.ones((8, 8))).astype(np.uint8)
    assert _blockiness(blocks) == pytest.approx(_blockiness(blocks[3:-5, 2:-6]), rel=0.15)
    assert _blockiness(blocks) > 4 > 2 > _blockiness(smooth)


def test_videos_and_boxes_have_cues_too(faces, tmp_path, write_video) -> None:
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(5)]
    kinds = {0: ("libx264", 25, ".mp4"), 1: ("mpeg4", 30, ".avi")}
    rows = faces.iloc[:24].copy()
    for row, label in rows["label"].items():
        codec, fps, suffix = kinds[label]
        rows.loc[row, "video"] = str(tmp_path / f"{row // 8}-{label}{suffix}")
        write_video(tmp_path / f"{row // 8}-{label}{suffix}", frames, codec=codec, fps=fps)
    rows["box"] = ["0.00,0.00,32.00,48.00" if label else pd.NA for label in rows["label"]]
    with pytest.warns(ShortcutWarning, match="codec: mpeg4"):
        found = audit_shortcuts(rows)
    cues = found.set_index("cue")
    assert cues["auc"][["codec: h264", "codec: mpeg4", "frames a second"]].eq(1.0).all()
    assert cues["real"]["frames a second"] == 25
    size = (tmp_path / "0-1.avi").stat().st_size
    assert cues["fake"]["bits a second"] == pytest.approx(size * 8 * 30 / 5)
    assert cues["auc"]["frame pixels"] == 0.5
    notes = found.attrs["notes"]
    assert "crops: face share of frame is known of one class only, and was not measured" in notes
    assert "crops: no interval: 3 videos of a class, and none is made of fewer than 5" in notes


@pytest.mark.slow
def test_packs_and_what_cannot_be_read(faces, tmp_path) -> None:
    (tmp_path / "broken.png").write_bytes(b"x")
    rows = faces.copy()
    rows.loc[0, "path"] = str(tmp_path / "broken.png")
    found = audit_shortcuts(rows)
    assert found["n_real"].eq(47).all()
    assert "1 pictures could not be read, the first: expected a PNG" in found.attrs["notes"][0]
    nothing = audit_shortcuts({"A": rows.assign(path=str(tmp_path / "broken.png"))})
    assert nothing.empty
    assert len(nothing.attrs["notes"]) == 1
    pack(faces, tmp_path / "faces.h5")
    packed = audit_shortcuts(str(tmp_path / "faces.h5")).set_index("cue")
    assert "file format: PNG" not in packed.index
    assert packed["auc"]["sharpness"] == audit_shortcuts(faces).set_index("cue")["auc"]["sharpness"]
    assert len(read_crops(tmp_path / "faces.h5")) == len(faces)


def test_one_class_is_refused(faces) -> None:
    with pytest.raises(InputError, match="expected real and fake crops in the set A"):
        audit_shortcuts({"A": faces[faces["label"] == 1]})
