"""What a process says of the machine that it runs on."""

import platform
import subprocess
import sys

import numpy as np
import pytest

from deepfake_generalize._system.machine import cpu_model, peak_memory


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n",
            "Some CPU @ 2 GHz",
        ),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", platform.processor() or "unknown processor"),
    ],
)
def test_the_processor_is_named_as_the_system_names_it(tmp_path, table, expected):
    file = tmp_path / "cpuinfo"
    file.write_text(table, encoding="utf-8")
    assert cpu_model(file) == expected


def test_what_a_parent_holds_is_not_counted_as_a_childs_memory():
    held = np.ones(75_000_000)  # 600 MB
    code = f"from {peak_memory.__module__} import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert peak_memory() * 1024 > held.nbytes
    assert 4_000 < int(done.stdout) < 400_000


def test_without_proc_the_system_is_asked(tmp_path, monkeypatch):
    told = peak_memory(tmp_path / "none")
    assert told >= 0.9 * peak_memory()
    monkeypatch.setattr(sys, "platform", "darwin")  # Where getrusage counts bytes.
    assert peak_memory(tmp_path / "none") == pytest.approx(told / 1024, rel=0.1)
