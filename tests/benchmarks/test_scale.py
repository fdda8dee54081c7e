"""The large collections that are measured are what their rows say."""

from benchmarks import scale
from deepfake_generalize.data import audit_leakage, balanced_splits, find_videos


def test_the_files_are_those_of_three_data_sets(tmp_path):
    videos = find_videos(scale.lay_out(tmp_path, 100))
    assert videos["dataset"].value_counts().to_dict() == {
        "FF++": 60, "Celeb-DF-v2": 20, "DFDC": 20,
    }  # fmt: skip


def test_the_crops_can_be_split_by_person():
    crops = scale.draw_crops(40)
    splits = balanced_splits(crops, train=200, val=40, test=40)
    assert audit_leakage(splits, near_duplicates=False).empty


def test_a_quick_run_has_a_row_for_each():
    rows = list(scale.measure(quick=True))
    first_words = [row.job.split(" ")[0] for row in rows]
    assert first_words == ["manifest", "identity-disjoint", "near-duplicates"]
