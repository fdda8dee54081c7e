"""One interface to every network: images in, P(fake) out."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize._system.keras_settings import require_tensorflow
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import keras_passes
from deepfake_generalize.models.detectors import archive
from deepfake_generalize.models.detectors.batching import (
    RESIZING,
    check_sums,
    checked_scores,
    run_in_parts,
    unit_batches,
)
from deepfake_generalize.models.detectors.video import ScoresVideos
from deepfake_generalize.models.overrides import norms_in_one_pass
from deepfake_generalize.models.surgery import (
    NOISE,
    is_graph,
    output_of,
    producer,
)
from deepfake_generalize.notebooks import card, html_table
from deepfake_generalize.types import (
    AnyArray,
    FloatArray,
    ImagePaths,
    Images,
    MapRule,
    MapView,
    Site,
)
from deepfake_generalize.validation import check_choice, describe

_PASSING_ON = (*NOISE, keras.layers.Identity, keras.layers.Flatten, keras.layers.Reshape)
"""Layers that give the numbers that they get, in inference."""


class Detector(ScoresVideos):
    """A Keras network and the knowledge of which of its outputs means fake.

    Label 1 is fake and 0 is real; a score is P(fake).

    Attributes:
        model (keras.Model): The Keras model, untouched.
        fake_index (int): Which class is fake.
        name (str): What tables call it.
        training (dict[str, Any] | None): How it was trained (plain JSON values), None if unknown.
        size (tuple[int, int]): (height, width) in pixels of the network's input.
        resize (str): How images of another size are brought to it.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> detector = Detector(mesonet((32, 32, 3)), name="untrained")
        >>> detector
        Detector('untrained', input 32x32, fake_index=1, 11,945 parameters)
        >>> detector.scores(np.zeros((2, 48, 40, 3), np.uint8)).shape
        (2,)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        fake_index: int = 1,
        name: str | None = None,
        training: Mapping[str, Any] | None = None,
        resize: str = "bilinear",
    ) -> None:
        """Wrap a network.

        Args:
            model: From (N, H, W, 3) float32 RGB in [0, 1], H and W fixed, to (N, 1), one sigmoid
                unit giving P(class 1), or (N, K), softmax columns.
            fake_index: The fake class: for one unit 0 or 1, for softmax the fake column.
            name: What tables call it; the model's name by default.
            training: A record of the training, kept when the detector is saved.
            resize: How images of another size are brought to the network's, as in its training:
                `bilinear` (by area where an image shrinks beyond a factor of two); `nearest`, as by
                Keras's ImageDataGenerator and `load_img`; or `area`.

        Raises:
            InputError: Not a Keras model, another input or output, no such class or rule, or a
                network that ends in logits.
            MissingDependencyError: Keras runs on something else than TensorFlow.
        """
        require_tensorflow()
        self.resize = check_choice("resize", resize, RESIZING)
        self.model = model
        self.size, self._columns = _check_model(model)
        if isinstance(fake_index, bool) or fake_index not in range(max(2, self._columns)):
            raise InputError(
                f"expected fake_index from 0 to {max(2, self._columns) - 1} for an output of "
                f"{self._columns} unit(s), received {fake_index!r}."
            )
        self.fake_index = int(fake_index)
        self.name = str(model.name) if name is None else name
        self.training = None if training is None else dict(training)
        # One graph for every batch: calling predict anew for each would retrace and grow.
        signature = [tf.TensorSpec((None, *self.size, 3), tf.float32)]

        def forward(batch: tf.Tensor) -> tf.Tensor:
            with norms_in_one_pass(model):
                return output_of(model, batch)

        self._forward = tf.function(forward, input_signature=signature)
        self._sites: dict[str, Callable[[], Site]] = {}

    def __repr__(self) -> str:
        """Say what it is in one line."""
        size, count = "{}x{}".format(*self.size), self.model.count_params()
        index = f"fake_index={self.fake_index}"
        return f"Detector({self.name!r}, input {size}, {index}, {count:,} parameters)"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        facts = {
            "input": "{} x {} pixels".format(*self.size),
            "fake output": self.fake_index,
            "parameters": f"{self.model.count_params():,}",
            "resized": self.resize,
            "training": "recorded" if self.training else "not known",
        }
        return card(f"Detector {self.name}", [html_table([[*facts], [*facts.values()]])])

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        """Survive pickling, through the file that `save` writes: a graph cannot be pickled."""
        with tempfile.TemporaryDirectory() as folder:
            return _from_bytes, (self.save(Path(folder) / "detector.keras").read_bytes(),)

    @property
    def synthetic(self) -> bool:
        """Whether it, or what it was fine-tuned from, is known to be trained on synthetic faces."""
        record: object = self.training
        while isinstance(record, dict):
            data = record.get("data")
            parts = data.values() if isinstance(data, dict) else ()
            if any(isinstance(part, dict) and part.get("synthetic") is True for part in parts):
                return True
            record = record.get("parent")
        return False

    def scores(self, images: Images | ImagePaths, *, batch_size: int = 32) -> AnyArray:
        """Score images of faces.

        Args:
            images: (N, H, W, 3) RGB, uint8 in 0 to 255 or float in [0, 1]; or a sequence of
                (H, W, 3) of unequal sizes; or where they lie, read a batch at a time: a sequence of
                paths of pictures, or a table of crops, as `data.read_crops` gives. Nothing is cut
                out of them. Other sizes than the network's are resized by the detector's rule,
                `resize`; uint8 images are then rounded to whole levels, float ones are not.
            batch_size: Images at a time; bounds the memory.

        Returns:
            (N,), P(fake) in [0, 1]; float32 as the network gives it, float64 where it is 1 minus
            what the network gives, so that small P(real) stay apart.

        Raises:
            InputError: Images of another shape, dtype or range, or a network whose output is NaN,
                outside [0, 1], or not softmax columns.
        """
        # Concrete, so that it is traced here and not by whichever thread comes first.
        parts = self._run(self._forward.get_concrete_function(), images, batch_size)
        outputs = [self._fake(output.numpy()) for output in parts]
        return np.concatenate(outputs) if outputs else np.zeros(0, np.float32)

    def _run(
        self, forward: Callable[[Any], Any], images: Images | ImagePaths, batch_size: int
    ) -> Iterator[Any]:
        batches = unit_batches(images, self.size, batch_size, resizing=self.resize)
        return run_in_parts(forward, batches, model=self.model)

    def _joined(
        self,
        function: Callable[[Any], Any],
        images: Images,
        view: MapView,
        shape: tuple[int, ...],
    ) -> FloatArray:
        parts = list(self._run(function, images, view.batch_size))
        joined: FloatArray = tf.concat(parts or [tf.zeros((0, *shape))], axis=0).numpy()
        return joined

    def weighted_maps(self, images: Images, rule: MapRule, view: MapView) -> tuple[FloatArray, str]:
        """Return signed maps at a layer, and its name; see `types.Explainable`."""
        name = keras_passes.default_layer(self) if view.layer is None else view.layer
        function = keras_passes.weighted_maps(self, rule, view, name)
        return self._joined(function, images, view, (1, 1)), name

    def guided_gradient(self, images: Images, view: MapView) -> FloatArray:
        """Return the guided gradient in the images; see `types.Explainable`."""
        function = keras_passes.guided_gradient(self, view.target)
        return self._joined(function, images, view, (*self.size, 3))

    def open_site(self, site: str) -> Site:
        """Cut the network open where neurons are set; see `types.Explainable`."""
        name = str(site)  # What is no name, and cannot be a key, is refused as no layer's.
        if name not in self._sites:
            self._sites[name] = keras_passes.site_opener(
                self.model, site, fake=self.fake_of, run=self._run
            )
        return self._sites[name]()

    def redrawn(self, seed: int, *, behind: str | None = None) -> Self:  # noqa: ARG002
        """Return a detector with new weights, by Python's generators; see `types.Explainable`."""
        name = f"{self.name}, {'untrained' if behind is None else 'new head'}"
        made = keras_passes.redrawn(self.model, behind)
        return type(self)(made, fake_index=self.fake_index, name=name, resize=self.resize)

    def _fake(self, output: AnyArray) -> AnyArray:
        # Half precisions are widened: their own rounding is no fault of the network.
        dtype = str(output.dtype)
        output = checked_scores(output.astype(np.float32), source=self.name)
        if self._columns > 1:
            check_sums(output, source=self.name, dtype=dtype)
        elif self.fake_index == 0:
            output = output.astype(np.float64)
        scores: AnyArray = self.fake_of(output)
        return scores

    def fake_of(self, output: Any) -> Any:
        """Turn outputs of the network into P(fake), inside TensorFlow too; nothing is checked.

        Args:
            output: (N, 1) or (N, K), what `model` gives: an array, a tensor or a symbolic one.

        Returns:
            (N,) of the same kind, P(fake).

        Examples:
            >>> from deepfake_generalize.models import mesonet
            >>> Detector(mesonet((32, 32, 3)), fake_index=0).fake_of(np.array([[0.75]]))
            array([0.25])
        """
        if self._columns > 1:
            return output[:, self.fake_index]
        return output[:, 0] if self.fake_index == 1 else 1 - output[:, 0]

    def save(self, path: str | Path) -> Path:
        """Write network, polarity, name and training record to one `.keras` file, atomically.

        `keras.saving.load_model` opens the file too, and gets the network alone.

        Args:
            path: Ends in `.keras`, in a folder that exists. What is there is replaced.

        Returns:
            The path.

        Raises:
            InputError: Another ending, no such folder, or one that cannot be written to; or
                a record that JSON cannot hold.
        """
        facts = {"fake_index": self.fake_index, "name": self.name, "training": self.training}
        facts["resize"] = self.resize
        return archive.write(self.model, facts, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Detector:
        """Read what `save` wrote; the scores are those of the detector saved.

        Args:
            path: A `.keras` file. Layers of your own are found where the program defines or imports
                them, by the name of class and module. Files that carry code (Lambda layers) are
                refused; `save` writes what a Lambda does where that is operations of Keras.

        Raises:
            InputError: No such file, not one that `save` wrote, damaged, or carrying code.
        """
        require_tensorflow()
        model, facts = archive.read(Path(path))
        known = ("fake_index", "name", "training", "resize")
        return cls(model, **{key: facts[key] for key in known})


def weights_sha256(model: keras.Model) -> str:
    """Hash a network's weights with their shapes and types, in its own order: 64 hex digits."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.shape} {array.dtype}".encode())
        # As bytes, because a half precision of its own has no other way to show them.
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _from_bytes(content: bytes) -> Detector:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.keras"
        path.write_bytes(content)
        return Detector.load(path)


def _refuse_logits(model: Any) -> None:
    """Raise where a network surely ends in logits, which may lie in [0, 1] by chance."""
    last = model
    while True:
        if is_graph(last) and len(last.outputs) == 1:
            last = producer(last.outputs[0])
        elif isinstance(last, _PASSING_ON) and len(last._inbound_nodes) == 1:
            last = producer(last.input)
        else:
            break
    if getattr(last, "activation", None) is keras.activations.linear:
        raise InputError(
            f"expected a network that ends in a sigmoid or a softmax, the last layer of "
            f"{model.name!r}, {last.name!r}, is linear: it gives logits.",
            hint="Put keras.layers.Activation('sigmoid'), or 'softmax' for several columns, behind "
            "it.",
        )


def _no_network(value: object) -> str:
    """Return what to do with what is no Keras model."""
    if isinstance(value, str | Path):
        return "Read what Detector.save wrote: Detector.load(path)."
    if isinstance(value, keras.layers.Layer):
        return "Make a network of it: keras.Sequential([keras.Input((H, W, 3)), layer])."
    return "Wrap a PyTorch model or a function: models.as_detector(it, name=..., size=...)."


def _shape(model: Any, end: str) -> Any:
    """Return the shape at the `inputs` or `outputs` of a network, in whatever structure of one."""
    if is_graph(model) and model.built:
        shapes = [tuple(tensor.shape) for tensor in getattr(model, end)]
        return shapes[0] if len(shapes) == 1 else shapes
    return getattr(model, end.replace("s", "_shape"), None) if model.built else None


def _check_model(model: Any) -> tuple[tuple[int, int], int]:
    """Return the input's (height, width) and the number of output columns."""
    if not isinstance(model, keras.Model):
        raise InputError(
            f"expected a Keras model, received {describe(model)}.", hint=_no_network(model)
        )
    takes = _shape(model, "inputs")
    if takes is None:
        raise InputError(
            "expected a network with one input (None, H, W, 3) of fixed size, "
            f"{model.name!r} does not say what it takes.",
            hint="Give it an input: image = keras.Input((H, W, 3)); "
            "Detector(keras.Model(image, model(image))).",
        )
    if not isinstance(takes, tuple) or len(takes) != 4 or takes[3] != 3 or None in takes[1:3]:
        raise InputError(
            f"expected a network with one input (None, H, W, 3) of fixed size, received {takes}.",
            hint="Build it with a fixed input_shape, or wrap it with models.as_detector.",
        )
    gives = _shape(model, "outputs")
    if not isinstance(gives, tuple) or len(gives) != 2 or not gives[1]:
        raise InputError(
            "expected a network whose output is one sigmoid unit (None, 1) or softmax columns "
            f"(None, K), received {gives}.",
            hint="Choose one of several: keras.Model(model.inputs, model.outputs[0])."
            if isinstance(gives, list)
            else "Wrap another kind of network with models.as_detector.",
        )
    _refuse_logits(model)
    return (int(takes[1]), int(takes[2])), int(gives[1])
