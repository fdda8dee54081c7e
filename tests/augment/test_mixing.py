"""The few-shot mix: exact balance, no crop twice, the same for any order of rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_generalize.augment import few_shot_mix
from deepfake_generalize.data.manifests import CROP_COLUMNS
from deepfake_generalize.errors import InputError


def crops(name: str, real: int, fake: int) -> pd.DataFrame:
    rows = [
        {"path": f"/{name}/{kind}/{i}.png", "video": f"/{name}/{kind}{i // 3}.mp4", "label": label}
        for label, (kind, count) in enumerate([("real", real), ("fake", fake)])
        for i in range(count)
    ]
    return pd.DataFrame(rows, columns=list(CROP_COLUMNS))


def counts(mix: pd.DataFrame) -> dict[tuple[str, int], int]:
    return mix.groupby(["set", "label"]).size().to_dict()


def test_the_default_is_the_papers() -> None:
    mix = few_shot_mix(
        crops("o", 1500, 1200), {"FS": crops("f", 600, 500), "NT": crops("n", 500, 700)}
    )
    assert counts(mix) == {
        ("original", 0): 1000,
        ("original", 1): 1000,
        ("FS", 0): 500,
        ("FS", 1): 500,
        ("NT", 0): 500,
        ("NT", 1): 500,
    }
    assert mix["path"].is_unique
    assert mix["set"].drop_duplicates().tolist() == ["original", "FS", "NT"]
    assert list(mix.columns) == [*CROP_COLUMNS, "set"]


def test_another_seed_takes_other_rows() -> None:
    sets = {"FS": crops("f", 30, 30)}
    first = few_shot_mix(crops("o", 30, 30), sets, n_original=8, n_unseen=8)
    again = few_shot_mix(crops("o", 30, 30), sets, n_original=8, n_unseen=8)
    other = few_shot_mix(crops("o", 30, 30), sets, n_original=8, n_unseen=8, seed=1)
    pd.testing.assert_frame_equal(first, again)
    assert set(first["path"]) != set(other["path"])


def test_which_rows_and_in_what_order_is_fixed_by_the_seed() -> None:
    # Batches are drawn from the rows by number: trainings repeat only where their order does.
    shared = crops("r", 5, 0)
    sets = {
        "NT": pd.concat([shared, crops("n", 0, 7)]),
        "FS": pd.concat([shared, crops("f", 2, 4)]),
    }
    mix = few_shot_mix(crops("o", 6, 6), sets, n_original=8, n_unseen=8, seed=3)
    expected = {
        "o/real": [3, 5, 0, 2],
        "o/fake": [2, 1, 5, 4],
        "r/real": [4, 2],
        "n/fake": [4, 5],
        "f/real": [0, 1],
        "f/fake": [2, 3],
    }
    paths = [f"/{folder}/{number}.png" for folder, those in expected.items() for number in those]
    assert mix["path"].tolist() == paths


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n_sets=st.integers(1, 3), each=st.integers(1, 4))
def test_neither_the_order_of_rows_nor_of_sets_matters(seed: int, n_sets: int, each: int) -> None:
    rng = np.random.default_rng(seed)
    original, sets = (
        crops("o", 9, 8),
        {f"S{i}": crops(f"s{i}", 6 + i, 9 - i) for i in range(n_sets)},
    )
    sizes = {"n_original": 8, "n_unseen": 2 * each * n_sets}
    before = {name: frame.copy() for name, frame in sets.items()}
    mix = few_shot_mix(original, sets, seed=seed, **sizes)
    shuffled = {
        name: sets[name].iloc[rng.permutation(len(sets[name]))] for name in reversed(list(sets))
    }
    other = few_shot_mix(original.iloc[::-1], shuffled, seed=seed, **sizes)
    key = ["set", "path", "label"]
    pd.testing.assert_frame_equal(
        mix[key].sort_values(key, ignore_index=True), other[key].sort_values(key, ignore_index=True)
    )
    assert counts(mix) == {
        **{("original", label): 4 for label in (0, 1)},
        **{(name, label): each for name in sets for label in (0, 1)},
    }
    for name, frame in sets.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_real_crops_that_sets_share_are_dealt_and_never_taken_twice() -> None:
    real = crops("q", 10, 0)
    sets = {
        "FS": pd.concat([real, crops("f", 0, 5)], ignore_index=True),
        "NT": pd.concat([real, crops("n", 0, 5)], ignore_index=True),
    }
    mix = few_shot_mix(crops("o", 5, 5), sets, n_original=10, n_unseen=20)
    assert mix["path"].is_unique
    assert counts(mix)["FS", 0] == counts(mix)["NT", 0] == 5
    with pytest.raises(InputError, match="NT 4 of 6 real"):
        few_shot_mix(crops("o", 5, 5), sets, n_original=10, n_unseen=24)


def test_what_one_set_alone_holds_goes_first_where_the_other_needs_the_shared() -> None:
    shared, alone = crops("q", 4, 0), crops("a", 4, 0)
    sets = {
        "A": pd.concat([shared, alone, crops("f", 0, 4)], ignore_index=True),
        "B": pd.concat([shared, crops("n", 0, 4)], ignore_index=True),
    }
    for seed in range(5):
        mix = few_shot_mix(crops("o", 1, 1), sets, n_original=2, n_unseen=16, seed=seed)
        assert counts(mix)["A", 0] == counts(mix)["B", 0] == 4


def test_tables_with_path_and_label_alone_are_enough() -> None:
    small = [crops(name, 2, 2)[["path", "label"]] for name in "of"]
    mix = few_shot_mix(small[0], {"FS": small[1]}, n_original=0, n_unseen=4)
    assert list(mix.columns) == ["path", "label", "set"]
    assert mix["set"].tolist() == ["FS"] * 4


def test_labels_as_texts_are_read_as_a_benchmark_reads_them() -> None:
    sizes = {"n_original": 4, "n_unseen": 4}
    tables = [crops(name, 4, 4) for name in "of"]
    numbers = few_shot_mix(tables[0], {"FS": tables[1]}, **sizes)
    for kind in ("string", object):
        texts = [table.assign(label=table["label"].astype(str).astype(kind)) for table in tables]
        pd.testing.assert_frame_equal(few_shot_mix(texts[0], {"FS": texts[1]}, **sizes), numbers)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"n_original": 7}, "expected an even n_original, half of it real, received 7. Use 8."),
        ({"n_unseen": 6}, "multiple of 4, for two classes of 2 set.s., received 6. Use 8."),
        ({"n_original": 2.0}, "expected n_original to be a whole number from 0"),
        ({"n_unseen": 0}, "expected n_unseen to be a whole number from 1, received 0"),
        ({"n_original": True}, "received True"),
        ({"seed": -1}, "expected seed to be a whole number from 0, received -1"),
        ({"original": crops("o", 9, 9).assign(label="fake")}, "the labels 0 .* received .'fake'."),
        ({"unseen": {}}, "the name of an unseen set to its crops, received nothing in it"),
        ({"unseen": crops("f", 1, 1)}, "received DataFrame"),
        ({"unseen": {"original": crops("f", 1, 1)}}, "other than 'original'"),
        ({"original": "crops"}, "expected the crops of original as a pandas DataFrame"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, object], text: str) -> None:
    right = {
        "original": crops("o", 9, 9),
        "unseen": {"FS": crops("f", 9, 9), "NT": crops("n", 9, 9)},
        "n_original": 4,
        "n_unseen": 4,
    }
    few_shot_mix(**right)
    with pytest.raises(InputError, match=text):
        few_shot_mix(**{**right, **change})


def test_what_cannot_be_met_is_refused_with_all_numbers() -> None:
    with pytest.raises(
        InputError,
        match="found original 9 of 20 real, original 20 of 20 fake, FS 4 of 4 real, FS 3 of 4 fake",
    ):
        few_shot_mix(crops("o", 9, 30), {"FS": crops("f", 9, 3)}, n_original=40, n_unseen=8)


def test_the_same_crop_twice_is_refused() -> None:
    original, fs = crops("o", 9, 9), crops("f", 9, 9)
    sizes = {"n_original": 4, "n_unseen": 4}
    with pytest.raises(InputError, match=r"once in FS, '/f/real/0.png' is listed more than once"):
        few_shot_mix(original, {"FS": pd.concat([fs, fs.iloc[:1]])}, **sizes)
    with pytest.raises(InputError, match=r"'/o/real/3.png' is real in original and real in FS"):
        few_shot_mix(original, {"FS": pd.concat([fs, original.iloc[3:4]])}, **sizes)
    with pytest.raises(InputError, match=r"'/f/fake/0.png' is fake in FS and fake in NT"):
        few_shot_mix(original, {"FS": fs, "NT": fs}, **sizes)
    with pytest.raises(InputError, match="is fake in FS and real in NT"):
        few_shot_mix(original, {"FS": fs, "NT": fs.assign(label=1 - fs["label"])}, **sizes)
    with pytest.raises(InputError, match=r"labels 0 .real. and 1 .fake. in FS, received \['2'\]"):
        few_shot_mix(original, {"FS": fs.assign(label=2)}, **sizes)
