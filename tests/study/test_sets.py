"""The study's sets: sizes, people and clips as the study has them, at realistic counts."""

import itertools

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import (
    CROP_COLUMNS,
    audit_leakage,
)
from deepfake_generalize.data.assignment import CROSSING
from deepfake_generalize.errors import InputError
from deepfake_generalize.study import Sizes, shared_by_design, study_sets
from deepfake_generalize.study import sets as paper_sets
from deepfake_generalize.study.sets import _kept_clips

NAMES = ["CELEB", "F2F", "FS", "NT", "DF", "DFD", "CELEB-M", "FS-I", "NT-I"]
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
PARTS = ("train", "val", "test")
SMALL = Sizes(train=1_600, val=200, test=200, few_shot_unseen=200, few_shot_val=52)


def make(videos, dataset, real, fake):
    """Make crops of (folder, name, target, source) videos, so many frames of each."""
    rows = [
        (
            f"/crops/{dataset}/{folder}/{name}/{frame}.png",
            f"/{dataset}/{folder}/{name}.mp4",
            frame,
            dataset,
            "real" if source is None else folder,
            int(source is not None),
            target,
            source,
        )
        for folder, name, target, source in videos
        for frame in range(real if source is None else fake)
    ]
    names = ("path", "video", "frame", "dataset", "method", "label")
    columns = [*names, "target_identity", "source_identity"]
    return pd.DataFrame(rows, columns=columns).reindex(columns=list(CROP_COLUMNS))


def faceforensics(real, fake, methods=METHODS):
    ids = [f"{i:03d}" for i in np.random.default_rng(0).permutation(1000)]
    videos = [("youtube", who, who, None) for who in ids]
    for one, other in zip(ids[::2], ids[1::2], strict=True):
        for a, b in ((one, other), (other, one)):
            videos += [(method, f"{a}_{b}", a, b) for method in methods]
    return make(videos, "FF++", real, fake)


def swaps(rng, n_people, n_videos):
    """Draw so many pairs of different people, each pair several times."""
    pairs = list(itertools.permutations(range(n_people), 2))
    chosen = [pairs[i] for i in rng.integers(0, len(pairs), n_videos)]
    return sorted(chosen)


def celeb(version, real, fake):
    """Make Celeb-DF: of version 1 every clip comes again in version 2, by the same name."""
    rng = np.random.default_rng(7)
    people = [i % 13 for i in range(158)]
    pairs = swaps(rng, 13, 795)
    if version == "Celeb-DF-v2":
        people += [i % 59 for i in range(590 - 158)]
        pairs += swaps(rng, 59, 5639 - 795)
    videos = [("real", f"id{who}_{n:04d}", f"id{who}", None) for n, who in enumerate(people)]
    n_youtube = {"Celeb-DF-v1": 250, "Celeb-DF-v2": 300}[version]
    videos += [("youtube", f"{n:05d}", None, None) for n in range(n_youtube)]
    for n, (a, b) in enumerate(pairs):
        videos.append(("Celeb-synthesis", f"id{a}_id{b}_{n:04d}", f"id{a}", f"id{b}"))
    return make(videos, version, real, fake)


def dfd(real, fake):
    rng = np.random.default_rng(5)
    videos = [("actors", f"{i % 28:02d}__s{i}", f"{i % 28:02d}", None) for i in range(363)]
    videos += [
        ("DeepFakeDetection", f"{a:02d}_{b:02d}__s__{n:08d}", f"{a:02d}", f"{b:02d}")
        for n, (a, b) in enumerate(swaps(rng, 28, 3068))
    ]
    return make(videos, "DFD", real, fake)


def everything(real, fake):
    return {
        "FF++": faceforensics(real, fake),
        "DFD": dfd(real, fake),
        "v1": celeb("Celeb-DF-v1", real, fake),
        "v2": celeb("Celeb-DF-v2", real, fake),
    }


def people(*crops):
    both = pd.concat(crops)
    return {*both["target_identity"].dropna(), *both["source_identity"].dropna()}


def check(sets, sizes):
    assert list(sets) == NAMES
    shots = (sizes.few_shot_unseen // 2, sizes.few_shot_val // 2, sizes.test)
    originals = (sizes.train, sizes.val, sizes.test)
    for name, splits in sets.items():
        wanted = {"CELEB": originals, "F2F": originals, "FS": shots, "NT": shots}.get(
            name, (0, 0, sizes.test)
        )
        assert tuple(len(getattr(splits, part)) for part in PARTS) == wanted
        assert [int(getattr(splits, part)["label"].sum()) * 2 for part in PARTS] == list(wanted)
        assert splits.dropped["reason"].notna().all()
        paths = pd.concat([getattr(splits, part)["path"] for part in (*PARTS, "dropped")])
        assert paths.is_unique
    fakes = {name: set(s.test.loc[s.test["label"] == 1, "method"]) for name, s in sets.items()}
    assert fakes == {
        "CELEB": {"Celeb-synthesis"},
        "F2F": {"Face2Face"},
        "FS": {"FaceSwap"},
        "NT": {"NeuralTextures"},
        "DF": {"Deepfakes"},
        "DFD": {"DeepFakeDetection"},
        "CELEB-M": {"Celeb-synthesis"},
        "FS-I": {"FaceSwap"},
        "NT-I": {"NeuralTextures"},
    }
    assert set(sets["CELEB-M"].test["dataset"]) == {"Celeb-DF-v1"}


def check_people(sets):
    f2f, fs, nt = sets["F2F"], sets["FS"], sets["NT"]
    pools = [
        people(f2f.train, sets["FS-I"].test, sets["NT-I"].test),
        people(f2f.val),
        people(f2f.test),
        people(fs.train, nt.train),
        people(fs.val, nt.val),
        people(fs.test, nt.test, sets["DF"].test),
    ]
    assert sum(map(len, pools)) == len(set.union(*pools))
    assert people(sets["FS-I"].test) <= people(f2f.train)
    for part in ("train", "val"):
        assert not set(getattr(fs, part)["path"]) & set(getattr(nt, part)["path"])


@pytest.fixture(scope="module")
def small():
    crops = everything(2, 2)
    return crops, study_sets(crops, SMALL, near_duplicates=False)


@pytest.mark.slow
def test_the_sets_have_their_sizes_methods_and_people(small):
    check(small[1], SMALL)
    check_people(small[1])


def test_an_audit_finds_nothing_but_what_is_meant(small):
    sets = small[1]
    found = audit_leakage(sets, near_duplicates=False, shared_by_design=shared_by_design(sets))
    assert found["by_design"].all()
    assert set(found["kind"]) == {"identity", "video"}
    without = audit_leakage(sets, near_duplicates=False)
    pairs = set(zip(without["set_a"], without["set_b"], strict=True))
    assert pairs == set(shared_by_design(sets))


def test_no_frame_that_was_trained_on_is_among_those_of_the_same_people(small):
    trained = small[1]["F2F"].train
    for name in ("FS-I", "NT-I"):
        test = small[1][name].test
        assert not set(test["path"]) & set(trained["path"])


def test_celeb_m_holds_no_clip_of_celeb_though_version_2_holds_all_of_version_1(small):
    crops, sets = small
    stem = lambda part: set(part["video"].str.rpartition("/")[2])  # noqa: E731
    used = set.union(*(stem(getattr(sets["CELEB"], part)) for part in PARTS))
    assert stem(crops["v1"]) <= stem(crops["v2"])
    assert not stem(sets["CELEB-M"].test) & used
    kept = sets["CELEB"].dropped.query("reason == 'its clip is kept for CELEB-M'")
    # A quarter more than the 100 of each class that are needed, in whole clips of two images.
    assert kept["label"].value_counts().to_dict() == {0: 126, 1: 126}


@pytest.mark.parametrize(("need", "kept"), [(2, 0), (3, 2), (4, 3)])
def test_no_more_clips_are_kept_for_celeb_m_than_it_misses(need, kept):
    # Of each class version 1 has two clips of its own and eight that version 2 has as well.
    first, second = (
        make(
            [("real", f"id{n}_{n:04d}", f"id{n}", None) for n in numbers]
            + [("F", f"id{n}_id0_{n:04d}", f"id{n}", "id0") for n in numbers],
            dataset,
            1,
            1,
        )
        for dataset, numbers in (("Celeb-DF-v1", range(10)), ("Celeb-DF-v2", range(2, 12)))
    )
    clips = _kept_clips(first, second, need, 0)
    assert sum("real" in clip for clip in clips) == len(clips) - kept == kept


def test_every_crop_of_a_data_set_and_method_is_accounted_for(small):
    crops, sets = small
    for name, method in (("F2F", "Face2Face"), ("FS-I", "FaceSwap"), ("DF", "Deepfakes")):
        own = crops["FF++"][crops["FF++"]["method"].isin(["real", method])]
        parts = [getattr(sets[name], part) for part in (*PARTS, "dropped")]
        assert sorted(pd.concat(parts)["path"]) == sorted(own["path"])
    for name, table in (("CELEB", "v2"), ("CELEB-M", "v1"), ("DFD", "DFD")):
        parts = [getattr(sets[name], part) for part in (*PARTS, "dropped")]
        assert sorted(pd.concat(parts)["path"]) == sorted(crops[table]["path"])


def test_what_another_set_is_given_is_dropped_with_the_name_of_its_use(small):
    sets = small[1]
    dropped = sets["F2F"].dropped
    for use, *taken in (
        ("FS train and NT train", sets["FS"].train, sets["NT"].train),
        ("FS val and NT val", sets["FS"].val, sets["NT"].val),
        ("the tests of FS, NT and DF", sets["FS"].test, sets["NT"].test, sets["DF"].test),
    ):
        kept = dropped[dropped["reason"] == f"its people are kept for {use}"]
        assert people(kept) >= people(*taken)
    assert paper_sets._reason("F2F", CROSSING, [0]) == "its two identities are in different pools"


def test_each_pool_needs_what_is_sampled_from_it():
    sizes = Sizes(train=20, val=8, test=6, few_shot_unseen=8, few_shot_val=4)
    needs = paper_sets._needs(sizes)
    assert needs == (  # real, Face2Face, FaceSwap, NeuralTextures, Deepfakes
        (10 + 3, 10, 3, 3, 0),
        (4, 4, 0, 0, 0),
        (3, 3, 0, 0, 0),
        (2 + 2, 0, 2, 2, 0),
        (1 + 1, 0, 1, 1, 0),
        (3, 0, 3, 3, 3),
    )
    assert {type(count) for need in needs for count in need} == {int}


@pytest.mark.nightly
def test_the_sets_depend_on_the_seed_and_not_on_the_order_of_rows():
    crops = {"FF++": faceforensics(2, 2), "DFD": dfd(2, 2)}
    hashes = {name: one.sha256 for name, one in study_sets(crops, SMALL).items()}
    table = pd.concat(crops.values()).sample(frac=1, random_state=1)
    again = study_sets(table, SMALL)
    assert {name: one.sha256 for name, one in again.items()} == hashes
    other = study_sets(crops, SMALL, seed=1)
    assert all(other[name].sha256 != sha256 for name, sha256 in hashes.items())


@pytest.mark.slow
def test_the_papers_sizes_are_met_with_twenty_frames_of_originals_and_fourteen_of_fakes():
    sets = study_sets(everything(20, 14), near_duplicates=False)
    check(sets, Sizes())
    check_people(sets)
    found = audit_leakage(sets, near_duplicates=False, shared_by_design=shared_by_design(sets))
    assert found["by_design"].all()


@pytest.mark.nightly  # Slow is the way that does.
def test_the_papers_ten_frames_a_video_do_not_give_the_papers_sizes():
    with pytest.raises(InputError, match=r"F2F train.* of 8000 Face2Face") as caught:
        study_sets(faceforensics(10, 10))
    assert "in all 10000 real, 10000 Face2Face" in str(caught.value)
    assert "20 of each original and 14 of each fake" in caught.value.hint
    with pytest.raises(InputError, match=r"CELEB: .*in all 8900 real"):
        study_sets(celeb("Celeb-DF-v2", 10, 10))


@pytest.mark.slow
def test_sizes_that_are_not_met_are_refused_with_the_numbers():
    with pytest.raises(InputError) as caught:
        study_sets(faceforensics(1, 1), SMALL)
    message = str(caught.value)
    assert "no assignment of the people meets all sizes" in message
    assert "of 900 real" in message
    assert "in all 1000 real, 1000 Face2Face, 1000 FaceSwap" in message
    with pytest.raises(InputError, match=r"DFD: expected enough images .* of 100 real"):
        study_sets(dfd(1, 1)[:200], SMALL)


def test_what_the_study_does_not_know_is_refused():
    crops = faceforensics(2, 2)
    with pytest.raises(InputError, match="missing: Deepfakes, NeuralTextures"):
        study_sets(crops[~crops["method"].isin(["Deepfakes", "NeuralTextures"])], SMALL)
    with pytest.raises(InputError, match="received also 'mine'"):
        study_sets(crops.assign(dataset="mine"), SMALL)
    with pytest.raises(InputError, match="Celeb-DF-v2 beside those of Celeb-DF-v1"):
        study_sets(celeb("Celeb-DF-v1", 1, 1), SMALL)
    with pytest.raises(InputError, match=r"expected sizes as study\.Sizes"):
        study_sets(crops, 3)
    with pytest.raises(InputError, match="expected crops, received none"):
        study_sets(crops[:0], SMALL)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (
            {"train": 3},
            "train to be an even number from 0, received 3. Half of the images are real",
        ),
        ({"test": 0}, "test to be an even number from 2, received 0"),
        ({"val": -2}, "val to be an even number from 0, received -2"),
        ({"few_shot_val": 2.0}, "few_shot_val to be an even number from 0, received 2.0"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(size, message):
    with pytest.raises(InputError, match=message):
        Sizes(**size)


def test_clips_that_look_like_one_of_celeb_are_kept_out_of_celeb_m(tmp_path):
    """Version 1 holds all originals of version 2 under other names, and as many of its own."""

    def draw(crops, pictures):
        paths = []
        for number, picture in enumerate(pictures):
            noise = np.random.default_rng(picture).integers(0, 255, (8, 8, 3), np.uint8)
            path = tmp_path / f"{crops['dataset'].iloc[0]}-{number}.png"
            cv2.imwrite(str(path), cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC))
            paths.append(str(path))
        return crops.assign(path=paths)

    def version(name, numbers):
        videos = [("real", f"id{n % 10}_{n:04d}", f"id{n % 10}", None) for n in numbers]
        pairs = [(n % 10, (n + 1) % 10) for n in numbers]
        videos += [
            ("F", f"id{a}_id{b}_{n:04d}", f"id{a}", f"id{b}")
            for n, (a, b) in zip(numbers, pairs, strict=True)
        ]
        return make(videos, name, 1, 1)

    second = draw(version("Celeb-DF-v2", range(10)), range(20))
    first = draw(version("Celeb-DF-v1", range(20, 40)), [*range(10), *range(101, 131)])
    sets = study_sets({"2": second, "1": first}, Sizes(train=4, val=2, test=2))
    used = pd.concat([getattr(sets["CELEB"], part) for part in PARTS])
    reasons = sets["CELEB-M"].dropped["reason"]
    assert (
        reasons.str.startswith("looks like another video").sum() == (used["label"] == 0).sum() == 4
    )
    assert (audit_leakage(sets)["kind"] == "identity").all()


def test_paths_labels_and_the_data_set_are_enough():
    rows = [{"path": f"/c/{i}.png", "label": i % 2, "dataset": "DFD"} for i in range(12)]
    crops = pd.DataFrame(rows).assign(identity=[str(i // 4) for i in range(12)])
    assert len(study_sets(crops, Sizes(test=8))["DFD"].test) == 8
    with pytest.raises(InputError, match="missing: dataset"):
        study_sets(crops[["path", "label"]], Sizes(test=8))
