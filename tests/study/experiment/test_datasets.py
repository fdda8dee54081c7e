"""The sets of a study: made, audited, and kept as files."""

import shutil

import pytest

from deepfake_generalize.data import LeakageWarning
from deepfake_generalize.study.experiment import datasets
from deepfake_generalize.study.experiment.datasets import prepare, read_facts


def test_what_sets_share_is_warned_of_before_anything_is_trained(
    tiny_run, tiny_config, tmp_path, monkeypatch
):
    shutil.copytree(tiny_run.folder / "data", tmp_path / "data")  # Drawing takes longer.
    # Nothing is shared on purpose any more: what FS-I and CELEB-M are made for is a leak then.
    monkeypatch.setattr(datasets, "shared_by_design", lambda *_: ())
    told = []
    with pytest.warns(LeakageWarning, match="sets are not independent: .*FS train and NT train"):
        prepare(tiny_config, tmp_path, n_jobs=1, progress=lambda *said: told.append(said))
    parts = [part for what, part in told if what == "auditing the sets"]
    assert len(parts) > 10
    assert parts == sorted(parts)
    assert parts[0] < 0.1 < 0.9 < parts[-1] < 1
    audit = read_facts(tmp_path)["audit"]
    assert audit["leaks"] > audit["by_design"] == 0
    assert audit["first_leaks"][0]["set_a"]
