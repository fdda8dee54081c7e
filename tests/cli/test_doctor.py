"""The doctor's facts agree with the environment it looks at, and the command says them."""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from deepfake_generalize._version import __version__
from deepfake_generalize.cli import doctor, main
from deepfake_generalize.cli.doctor import Diagnosis, Package
from deepfake_generalize.data.assets import AssetStatus

VARIABLES = (
    "DEEPFAKE_GENERALIZE_FACE_MODEL",
    "DEEPFAKE_GENERALIZE_FACE_MODEL_SHORT",
    "DEEPFAKE_GENERALIZE_LANDMARK_MODEL",
    "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS",
)


def diagnosis(*packages: Package) -> Diagnosis:
    return Diagnosis({}, packages, {"wheels": {}, "owner": None}, (), 1, None)


def test_versions_are_those_of_the_installed_distributions() -> None:
    found = {
        package.name: package for package in doctor.diagnose().packages if package.extra is None
    }
    for name in ("tensorflow", "keras", "mediapipe", "av", "rich"):
        assert found[name].version == importlib.metadata.version(name)
        assert found[name].status == "ok"


def test_what_users_may_need_is_looked_at_and_nothing_of_developers() -> None:
    looked_at = {(package.name, package.extra) for package in doctor.diagnose().packages}
    required = map(Requirement, importlib.metadata.requires("deepfake-generalize") or [])
    always = {one.name for one in required if "extra ==" not in str(one.marker)}
    assert {name for name, extra in looked_at if extra is None} == always
    assert {None, "dask", "gpu"} <= {extra for _, extra in looked_at} <= {None, *doctor._EXTRAS}
    assert not {"ruff", "pytest", "mkdocs"} & {name for name, _ in looked_at}


@pytest.mark.parametrize(
    ("version", "required", "status"),
    [
        (None, ">=2.20", "missing"),
        ("2.9.1", ">=2.20", "too old"),
        ("2.20.0rc1", ">=2.20", "ok"),
        ("10.0", ">=2.20", "ok"),
        ("0.1", "", "ok"),
        ("1.7", "<2,>=1.6", "ok"),
    ],
)
def test_status_compares_numbers_not_text(version: str, required: str, status: str) -> None:
    assert Package("x", version, required, None).status == status


def test_only_what_is_always_needed_counts_as_missing() -> None:
    needed = Package("needed", None, ">=1", None)
    optional = Package("optional", None, ">=1", "gpu")
    found = diagnosis(needed, optional)
    assert found.missing == ["needed>=1 is missing"]
    assert found.missing_extras == {"gpu": ["optional"]}
    assert diagnosis(optional).to_dict()["ok"] is True


def test_an_extra_of_another_distribution_brings_its_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {
        "mine": ["always>=1", "other[fast]>=1; extra == 'gpu'", "old; python_version < '3'"],
        "other": ["inner>=3; extra == 'fast'", "unrelated; extra == 'slow'"],
    }
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: asked.get(name, []))
    monkeypatch.setattr(doctor, "_version", {"other": "1.0"}.get)
    packages = sorted(doctor.packages_of("mine", "gpu"), key=lambda package: package.name)
    assert [(package.name, package.version, package.extra) for package in packages] == [
        ("inner", None, "gpu"),
        ("other", "1.0", "gpu"),
    ]


@pytest.mark.parametrize(
    ("version_module", "wheel"),
    [
        ("contrib = False\nheadless = False\n", "opencv-python"),
        ("contrib = True\nheadless = False\n", "opencv-contrib-python"),
        ("contrib = False\nheadless = True\n", "opencv-python-headless"),
    ],
)
def test_the_owner_of_cv2_is_read_from_the_module_itself(version_module: str, wheel: str) -> None:
    assert doctor._wheel_of(version_module) == wheel


def test_the_owner_of_cv2_is_an_installed_wheel_of_the_imported_version() -> None:
    cv2 = pytest.importorskip("cv2")
    found = doctor.diagnose().opencv
    assert found["owner"] is not None
    assert found["wheels"][found["owner"]].startswith(cv2.__version__)


def test_an_absent_model_file_is_no_failure_but_a_variable_that_leads_nowhere_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_CACHE", str(tmp_path / "empty"))
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    found = doctor.diagnose()
    assert {asset.found for asset in found.assets} == {None}
    assert found.missing == []
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(tmp_path / "nowhere.tflite"))
    (said,) = doctor.diagnose().missing
    assert "$DEEPFAKE_GENERALIZE_FACE_MODEL" in said
    assert "nowhere.tflite" in said


def test_model_files_named_by_variables_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tmp_path / "face.tflite"
    model.touch()
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(model))
    (asset,) = [asset for asset in doctor.diagnose().assets if asset.name == "face-full-range"]
    assert (asset.how, asset.found) == ("environment", model)


def test_another_backend_of_keras_is_told(monkeypatch: pytest.MonkeyPatch, fails: Any) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert doctor.diagnose().versions["keras_backend"] == "jax"
    code, error, _ = fails("doctor")
    assert code == 5
    assert "expected Keras on TensorFlow, it is set to 'jax' (KERAS_BACKEND)" in error


def test_doctor_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["versions"]["deepfake_generalize"] == __version__
    assert {"packages", "extras", "opencv", "assets", "cpus", "memory_gib"} <= set(document)


def test_doctor_exits_with_5_when_something_required_is_missing(
    monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    absent = [Package("tensorflow", None, ">=2.20", None), Package("av", "17.0", "<19,>=18", None)]
    found = diagnosis(*absent, Package("keras", "3.15", ">=3.14", None))
    monkeypatch.setattr(doctor, "diagnose", lambda: found)
    code, error, hint = fails("doctor")
    assert code == 5
    assert "tensorflow>=2.20 is missing" in error
    assert "pip install 'tensorflow>=2.20' 'av<19,>=18'; mend" in hint


def test_a_missing_file_is_named_with_its_variable_and_address(capsys) -> None:
    there = AssetStatus("there", Path("/models/a.tflite"), "cache", "A", "https://a.example/a")
    wrong = AssetStatus("wrong", None, None, "B", "https://b.example/b", problem="its hash differs")
    doctor.show_assets((there, wrong))
    text = capsys.readouterr().out
    assert "wrong: its hash differs\n" in text
    assert text.endswith("wrong: $B, or https://b.example/b\n")
    assert "$A" not in text
    doctor.show_assets((there,))
    assert "downloaded" not in capsys.readouterr().out


def test_a_folder_of_data_sets_is_told_set_by_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    names = ["UADFV/real/0001.mp4", "UADFV/fake/0001_fake.mp4", "Celeb/Celeb-real/id0_0000.mp4"]
    names += ["Celeb/Celeb-synthesis/odd.mp4", "Celeb/Celeb-synthesis/id0_id1_0000.mp4"]
    for name in [*names, "wild/real_test/0/real/1/1.png", "holiday/x.mp4", "__MACOSX/a"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "Celeb/List_of_testing_videos.txt").write_text("1 Celeb-real/id9_0000.mp4")
    assert main(["doctor", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]
    assert [(row["layout"], row["reads"]) for row in found] == [
        ("celebdf", "videos"),
        ("uadfv", "videos"),
        ("wilddeepfake", "crops"),
    ]
    counts = ("real", "fake", "missing", "unknown", "mismatch")
    assert [[row[name] for name in counts] for row in found] == [
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
    ]
    assert "UADFV (uadfv): it has no official split" in found[1]["notes"]
    gone, odd = (
        tmp_path / f"Celeb/{n}.mp4" for n in ("Celeb-real/id9_0000", "Celeb-synthesis/odd")
    )
    told = {problem["path"]: problem["status"] for problem in found[0]["problems"]}
    assert told == {str(gone): "missing", str(odd): "unknown"}
    assert main(["doctor", str(tmp_path)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"missing: {gone}: List_of_testing_videos.txt names it, and it is not on disk" in text
    assert f"unknown: {odd}: not in a folder of Celeb-DF" in text
    assert "holiday: not recognised as a data set" in text
    assert "__MACOSX" not in text
    assert "UADFV (uadfv): it has no official split" in text
    assert "Celeb:" not in text
    code, error, _ = fails("doctor", tmp_path / "nowhere")
    assert code == 2
    assert "expected a folder of data sets" in error


def test_crops_with_their_table_are_crops_and_few_of_their_problems_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cut"
    (out / "D").mkdir(parents=True)
    (out / "D/0.png").touch()
    lines = [f"D/{number}.png,{number % 2}" for number in range(6)]
    (out / "crops.csv").write_text("\n".join(["path,label", *lines, "D/6.png,"]))
    for root in (out, tmp_path):
        assert main(["doctor", str(root), "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["data"]
        assert (found["place"], found["layout"], found["reads"]) == (str(out), "crops.csv", "crops")
        assert [found[name] for name in ("real", "fake", "missing", "unknown")] == [3, 3, 6, 1]
        assert len(found["problems"]) == 6
    assert main(["doctor", str(out)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("crops.csv names it, and it is not on disk") == 3
    assert f"and 3 more in {out}: --json lists all" in text
