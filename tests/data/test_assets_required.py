"""All model files of a job, looked for together: one error, no download in vain."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from deepfake_generalize.data import VIDEO_COLUMNS, assets, extract_faces
from deepfake_generalize.data.assets import ASSETS, Asset, DownloadFailedError, face_assets, require
from deepfake_generalize.errors import InputError, MissingAssetError

WANTED = dict.fromkeys(("face-full-range", "face-landmarks", "mesonet-deepfakes"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own, and no variable set by whoever runs the tests."""
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_CACHE", str(tmp_path / "cache"))
    for variable in {asset.variable for asset in ASSETS}:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Replace downloads; gives the list of what was asked for."""

    def be(failure: DownloadFailedError | None = None) -> list[str]:
        asked: list[str] = []

        def download(asset: Asset, folder: Path) -> Path:
            asked.append(asset.name)
            if failure is not None:
                raise failure
            return folder / asset.file_name

        monkeypatch.setattr(assets, "download", download)
        return asked

    return be


def test_all_that_is_missing_is_one_error_and_a_silent_host_is_asked_once(
    network: Callable[..., list[str]], cache: Path
) -> None:
    asked = network(DownloadFailedError("the host could not be found", reached=False))
    with pytest.raises(MissingAssetError) as caught:
        require(WANTED)
    assert caught.value.message == (
        "expected to find or download face-full-range, face-landmarks, mesonet-deepfakes, but "
        "the host could not be found."
    )
    assert asked == ["face-full-range", "mesonet-deepfakes"]
    for said in (
        "$DEEPFAKE_GENERALIZE_FACE_MODEL, $DEEPFAKE_GENERALIZE_LANDMARK_MODEL, $DEEPFAKE",
        "put blaze_face_full_range.tflite, face_landmark.tflite, Meso4_DF.h5 into",
        f"the cache {cache} ($DEEPFAKE_GENERALIZE_CACHE moves the cache); or",
        "allow the download from https://storage.googleapis.com/mediapipe-models/face_detector",
        ", https://raw.githubusercontent.com/DariusAf/MesoNet/",
    ):
        assert said in caught.value.hint


def test_a_host_that_answers_is_asked_for_each(network: Callable[..., list[str]]) -> None:
    asked = network(DownloadFailedError("the host answered 404", reached=True))
    with pytest.raises(MissingAssetError, match="face-landmarks, mesonet-deepfakes, but"):
        require(WANTED)
    assert asked == list(WANTED)


def test_a_variable_that_leads_nowhere_forbids_all_downloads(
    network: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = network()
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_LANDMARK_MODEL", str(tmp_path / "gone.tflite"))
    with pytest.raises(MissingAssetError) as caught:
        require(WANTED | {"mesonet-deepfakes": tmp_path / "gone.h5"})
    assert asked == []
    assert caught.value.message.startswith(
        "expected to find or download face-landmarks, mesonet-deepfakes, face-full-range, but "
        f"$DEEPFAKE_GENERALIZE_LANDMARK_MODEL leads to no file '{tmp_path}/gone.tflite'"
    )
    assert f"the path given leads to no file '{tmp_path}/gone.h5' (nor to a folder with Meso4" in (
        caught.value.message
    )
    assert "; face-full-range would have to be downloaded." in caught.value.message


@pytest.mark.parametrize("how", ["variable", "network"])
def test_what_alone_is_missing_is_said_as_when_it_is_resolved(
    how: str, network: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(DownloadFailedError("the host refused", reached=False))
    if how == "variable":
        monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(tmp_path / "gone"))
    with pytest.raises(MissingAssetError) as caught:
        require({"face-full-range": None})
    assert caught.value.message.startswith("expected")
    assert "Four ways lead to it" in caught.value.hint


def test_what_is_there_comes_back(
    network: Callable[..., list[str]], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network()
    (tmp_path / "own.h5").touch()
    (tmp_path / "model").touch()
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(tmp_path / "model"))
    assert require(WANTED | {"mesonet-deepfakes": tmp_path / "own.h5"}) == {
        "face-full-range": tmp_path / "model",
        "face-landmarks": cache / "face_landmark.tflite",
        "mesonet-deepfakes": tmp_path / "own.h5",
    }


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match="received 'dlib'"):
        require({"dlib": None})


@pytest.mark.parametrize(
    ("finds", "aligner", "names"),
    [
        (True, "landmarks", ["face-full-range", "face-landmarks"]),
        (True, "short-range", ["face-full-range", "face-short-range"]),
        (True, "finder", ["face-full-range"]),
        (False, "landmarks", ["face-landmarks"]),
        (False, "finder", []),
    ],
)
def test_only_what_the_finder_and_the_aligner_take_is_looked_for(
    finds: bool, aligner: str, names: list[str]
) -> None:
    assert face_assets(aligner, finds=finds) == names


def test_a_misspelt_aligner_is_refused_before_anything_is_downloaded(
    network: Callable[..., list[str]], tmp_path: Path
) -> None:
    asked = network()
    video = dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": "a.mp4", "label": 1}
    with pytest.raises(InputError, match="expected aligner to be one of"):
        extract_faces(pd.DataFrame([video]), tmp_path, aligner="landmark")
    assert asked == []
