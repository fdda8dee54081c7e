"""What Keras runs on is asked and said; its settings are lent, and given back."""

import json
import os
import subprocess
import sys

import keras
import pytest

from deepfake_generalize import models
from deepfake_generalize._system import keras_settings
from deepfake_generalize.errors import InputError, MissingDependencyError


@pytest.mark.parametrize(
    ("variable", "file", "expected"),
    [
        ("", None, "tensorflow"),
        ("", '{"backend": "jax"}', "jax"),
        ("torch", '{"backend": "jax"}', "torch"),
        ("tensorflow", '{"backend": "jax"}', "tensorflow"),
        ("", "no JSON", "tensorflow"),
        ("", '["no settings"]', "tensorflow"),
    ],
)
def test_the_backend_is_known_before_keras_is_loaded(
    variable, file, expected, monkeypatch, tmp_path
):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if file is not None:
        (tmp_path / "keras.json").write_text(file)
    assert keras_settings.keras_backend()[0] == expected


def test_another_backend_is_refused_where_keras_is_used(monkeypatch, tmp_path):
    network = models.mesonet((8, 8, 3))
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    uses = [
        lambda: models.mesonet((8, 8, 3)),
        lambda: models.Detector(network),
        lambda: models.Detector.load(tmp_path / "absent.keras"),
        lambda: models.train("mesonet", None, None),
    ]
    for use in uses:
        with pytest.raises(MissingDependencyError, match="on TensorFlow, it is set to 'torch'"):
            use()


@pytest.mark.parametrize("room", ["models", "augment", "interpret", "causal"])
def test_a_backend_that_is_not_installed_is_named(room, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "absent"}))
    loaded = subprocess.run(
        [sys.executable, "-c", f"import deepfake_generalize.{room}"],
        env={**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "MissingDependencyError" in loaded.stderr
    assert "it is set to 'absent' (keras.json)" in loaded.stderr


def test_settings_are_given_back_after_an_error():
    before = keras.config.image_data_format(), keras.config.floatx(), keras.config.dtype_policy()
    try:
        keras.config.set_image_data_format("channels_first")
        keras.config.set_floatx("float16")
        keras.config.set_dtype_policy("mixed_bfloat16")
        with keras_settings.standard_settings():
            assert keras.layers.Conv2D(1, 1).data_format == "channels_last"
            assert keras.layers.Dense(1).dtype_policy.name == keras.config.floatx() == "float32"
        with pytest.raises(InputError, match="expected input_shape"):
            models.mesonet((2, 2, 3))
        assert keras.config.image_data_format() == "channels_first"
        assert keras.config.floatx() == "float16"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_floatx(before[1])
        keras.config.set_dtype_policy(before[2])
