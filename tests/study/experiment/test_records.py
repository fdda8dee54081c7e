"""Records: append-only, each step once, and what a kill leaves behind."""

import json

import pytest

from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.study.experiment.records import Records, of_kind, read_all, read_lines


def step(key, **facts):
    return {"kind": "evaluation", "key": key, **facts}


def test_records_are_found_again_by_another_reader(tmp_path):
    path = tmp_path / "records" / "a.jsonl"
    Records(path).append(step("x", accuracy=0.1 + 0.2))
    assert Records(path).find("evaluation", "x")["accuracy"] == 0.1 + 0.2
    assert Records(path).find("detector", "x") is None


def test_a_line_that_was_cut_short_is_done_again(tmp_path):
    path = tmp_path / "a.jsonl"
    records = Records(path)
    records.append(step("x"))
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:cut])
        again = Records(path)
        assert [each["key"] for each in read_lines(path)] == ["x"]
        again.append(step("y"))
        assert [each["key"] for each in read_lines(path)] == ["x", "y"]
        assert path.read_bytes().startswith(whole)
        path.write_bytes(whole)


def test_a_step_is_recorded_once(tmp_path):
    records = Records(tmp_path / "a.jsonl")
    records.append(step("x"))
    with pytest.raises(DataMismatchError, match="evaluation x to be recorded once"):
        records.append(step("x"))


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"kind": "a"}', "3"])
def test_a_line_that_is_no_record_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(step("x")) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataMismatchError, match="expected a record in line 2"):
        read_lines(path)


def test_numbers_that_json_cannot_hold_are_not_written(tmp_path):
    path = tmp_path / "a.jsonl"
    with pytest.raises(ValueError, match="not JSON compliant"):
        Records(path).append(step("x", accuracy=float("nan")))
    assert not path.exists()


def test_all_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a"):
        Records(tmp_path / f"{name}.jsonl").append(step(name))
    Records(tmp_path / "a.jsonl").append({"kind": "causal", "key": "c"})
    records = read_all(tmp_path)
    assert [each["key"] for each in records] == ["a", "c", "b"]
    assert [each["key"] for each in of_kind(records, "evaluation")] == ["a", "b"]
