"""The audit: what sets share is found, what they do not share is not, and nothing is silent."""

import warnings

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import LeakageWarning, audit_leakage, balanced_splits, exclude
from deepfake_generalize.data.leakage import warn_of_leaks
from deepfake_generalize.errors import InputError


def crop(video, *, path=None, dataset="FF++", method="real", who=None, source=None, frame=0):
    return {
        "path": path or f"/crops/{video.strip('/').replace('/', '-')}-{frame}.png",
        "video": video,
        "frame": frame,
        "dataset": dataset,
        "method": method,
        "label": int(method != "real"),
        "target_identity": who,
        "source_identity": source,
    }


def audit(**sets):
    frames = {name.replace("_", " "): pd.DataFrame(rows) for name, rows in sets.items()}
    return audit_leakage(frames, near_duplicates=False)


def test_two_qualities_of_a_clip_are_one_video_and_methods_are_told_apart():
    folder = "/ff/manipulated_sequences"
    found = audit(
        a=[crop(f"{folder}/Deepfakes/c23/videos/004_982.mp4", method="Deepfakes", who="004")],
        b=[crop(f"{folder}/Deepfakes/raw/videos/004_982.mp4", method="Deepfakes", who="004")],
        c=[crop(f"{folder}/FaceSwap/c23/videos/004_982.mp4", method="FaceSwap", who="004")],
    )
    videos = found[found["kind"] == "video"]
    assert list(zip(videos["set_a"], videos["set_b"], strict=True)) == [("a", "b")]
    assert (found["kind"] == "identity").sum() == 3


def test_names_say_nothing_in_folders_of_the_users_own():
    own = {"dataset": "mine", "method": "real"}
    assert audit(a=[crop("/x/train/0.mp4", **own)], b=[crop("/x/test/0.mp4", **own)]).empty
    found = audit(a=[crop("/x/0.mp4", **own, frame=1)], b=[crop("/x/../x/0.mp4", **own, frame=2)])
    assert found["what"].tolist() == ["/x/0.mp4"]


def test_a_file_in_both_sets_is_found_though_one_manifest_knows_its_video():
    found = audit(a=[crop("/v/0.mp4", path="/c/0.png")], b=[{"path": "/c/0.png"}])
    assert found[["kind", "what", "note"]].to_numpy().tolist() == [
        ["video", "/c/0.png", "the same file"]
    ]


def test_an_original_and_the_fakes_of_either_side_share_the_person():
    found = audit(
        train=[crop("/v/004.mp4", who="004")],
        test=[
            crop("/v/004_982.mp4", method="F", who="004", source="982"),
            crop("/v/982_004.mp4", method="G", who="982", source="004"),
        ],
        dfd=[crop("/v/004__a.mp4", dataset="DFD", who="004")],
    )
    assert found[["kind", "set_a", "set_b", "what", "n"]].to_numpy().tolist() == [
        ["identity", "train", "test", "FF++ 004", 3]
    ]


def shared_people(frames=(0, 1)):
    fake = {"method": "F", "who": "004", "source": "982"}
    return {
        "F2F train": pd.DataFrame([crop("/v/004.mp4", who="004", frame=frames[0])]),
        "FS-I": pd.DataFrame(
            [crop("/v/004.mp4", who="004", frame=frames[1]), crop("/v/004_982.mp4", **fake)]
        ),
        "FS": pd.DataFrame([crop("/v/004_000.mp4", method="F", who="004", source="000")]),
    }


def designed(sets, design):
    found = audit_leakage(sets, near_duplicates=False, shared_by_design=design)
    return {(r.kind, r.set_a, r.set_b): r.by_design for r in found.itertuples()}


@pytest.mark.parametrize("design", [[("F2F train", "FS-I")], [("FS-I", "F2F train")]])
def test_persons_shared_by_design_are_told_from_leaks(design):
    assert designed(shared_people(), design) == {
        ("video", "F2F train", "FS-I"): True,
        ("identity", "F2F train", "FS-I"): True,
        ("identity", "F2F train", "FS"): False,
        ("identity", "FS-I", "FS"): False,
    }


def test_a_frame_that_was_trained_on_is_a_leak_even_among_shared_persons():
    sets, pair = shared_people(frames=(1, 1)), ("F2F train", "FS-I")
    assert not designed(sets, [pair])["video", *pair]
    assert designed(sets, {pair: ("identity", "frame")})["video", *pair]


def test_a_design_may_say_that_persons_are_shared_and_videos_are_not():
    pair = ("F2F train", "FS-I")
    found = designed(shared_people(), {pair: "identity"})
    assert (found["identity", *pair], found["video", *pair]) == (True, False)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ([("F2F", "FS-I")], "expected the sets of shared_by_design to be one of F2F train"),
        (["FS-I"], "expected pairs of names of sets in shared_by_design, received 'FS-I'"),
        ({("FS", "FS-I"): "people"}, "share by design to be one of identity, video, frame"),
        ({("FS", "FS-I"): ()}, "received ''"),
    ],
)
def test_designs_that_mean_nothing_are_refused(design, message):
    with pytest.raises(InputError, match=message):
        audit_leakage(shared_people(), near_duplicates=False, shared_by_design=design)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({}, "expected sets to map names to crops or Splits, received nothing in it"),
        ([1], "received list"),
        ({"a": 3}, "expected the set 'a' as a pandas DataFrame, received int"),
        ({"a": pd.DataFrame({"video": ["v"]})}, "missing: path"),
        ({"a": pd.DataFrame({"path": [None]})}, "expected a path in every row of the set 'a'"),
        ({1: pd.DataFrame({"path": ["v"]})}, r"names to crops or Splits, received keys \[1\]"),
    ],
)
def test_what_is_no_set_of_crops_is_refused(sets, message):
    with pytest.raises(InputError, match=message):
        audit_leakage(sets)


def split_crops():
    return pd.DataFrame(
        [
            {**crop(f"/v/{k}{i}.mp4", method=k, dataset="own"), "split": pd.NA, "score": 1.0}
            for k in ("real", "fake")
            for i in range(4)
        ]
    ).assign(compression=pd.NA, box=pd.NA, aligner=pd.NA, flag=pd.NA)


def test_splits_are_sets_of_their_parts():
    splits = balanced_splits(split_crops(), train=4, val=0, test=4, by="video")
    assert audit_leakage(splits, near_duplicates=False).empty
    found = audit_leakage({"A": splits, "B": splits.test}, near_duplicates=False)
    assert {*found["set_a"], *found["set_b"]} == {"A test", "B"}
    design = {("A", "B"): "frame"}
    found = audit_leakage(
        {"A": splits, "B": splits.test}, near_duplicates=False, shared_by_design=design
    )
    assert found["by_design"].all()
    with pytest.raises(InputError, match="'A test' comes twice"):
        audit_leakage({"A": splits, "A test": splits.test}, near_duplicates=False)


def test_what_is_not_known_is_said():
    found = audit(a=[crop("/v/0.mp4"), crop("/v/1.mp4", who="001")], b=[crop("/v/2.mp4", who="2")])
    nameless, numbered, unopened = found.attrs["notes"]
    assert nameless == (
        "a: nobody is named in 1 of 2 images; whom they share with other sets is not known."
    )
    assert "FF++ numbers clips, not people" in numbered
    assert unopened == "No image was opened: near-duplicates were not looked for."


def test_a_warning_names_each_leak_and_points_at_the_caller():
    found = audit_leakage(shared_people(), near_duplicates=False)
    with pytest.warns(LeakageWarning, match="F2F train and FS-I share 1 video \\(") as caught:
        assert warn_of_leaks(found) == 4
    assert caught[0].filename == __file__
    assert "F2F train and FS share 1 person (such as FF++ 004)" in str(caught[0].message)


def test_there_is_no_warning_of_what_is_meant():
    sets = {name: shared_people()[name] for name in ("F2F train", "FS-I")}
    found = audit_leakage(sets, near_duplicates=False, shared_by_design=[tuple(sets)])
    assert len(found) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_of_leaks(found) == 0


def _pictures(folder, names, content):
    folder.mkdir()
    for name in names:
        (folder / f"{name}.png").write_bytes(content)
    return pd.DataFrame({"path": [str(folder / f"{name}.png") for name in names]})


def test_findings_grow_with_videos_and_not_with_pairs_of_equal_pictures(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    blocks = [np.kron(picture, np.ones((8, 8, 1), np.uint8)) for picture in noise]
    one, other = (cv2.imencode(".png", picture)[1].tobytes() for picture in blocks)
    names = [f"{number:03d}" for number in range(60)]
    a, b = _pictures(tmp_path / "a", names, one), _pictures(tmp_path / "b", names, one)
    found = audit_leakage({"a": a, "b": b})
    assert found["kind"].tolist() == ["near_duplicate"]
    assert found["n"].tolist() == [120]
    assert found["what"][0] == f"{a['path'][0]} ~ {b['path'][0]} and others"
    assert "60 videos of a, 60 of b" in found["note"][0]
    selection = exclude(a, b, by="video")
    assert selection.crops.empty
    # A few are told one by one, and each shows what else it looks like.
    few = audit_leakage({"a": a[:3], "b": b[:2], "c": _pictures(tmp_path / "c", "x", other)})
    assert len(few) == 6
    assert set(few["n"]) == {2}
    assert few["note"][5].endswith(f"such as {a['path'][2]} and {b['path'][1]}")


def test_equal_pictures_in_one_clip_of_both_sets_are_left_to_that_clip(tmp_path):
    noise = np.kron(
        np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)
    )
    crops = _pictures(tmp_path / "a", "xyz", cv2.imencode(".png", noise)[1].tobytes())
    a = crops[:2].assign(video=["/v/1.mp4", "/v/2.mp4"])
    b = crops[1:].assign(video=["/v/2.mp4", "/v/2.mp4"])
    found = audit_leakage({"a": a, "b": b})
    alike = found[found["kind"] == "near_duplicate"]
    assert alike["what"].tolist() == ["/v/1.mp4 ~ /v/2.mp4"]
    assert alike["n"].tolist() == [3]
