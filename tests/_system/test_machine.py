"""What a process says of the machine that it runs on."""

import platform

import pytest

from deepfake_generalize._system.machine import cpu_model


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
