"""MediaPipe's network of 468 points of a face, run by LiteRT."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_generalize._system.native_logs import quiet_native_logs
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import DoubleArray, UInt8Array

NETWORK_SIDE = 192
"""Pixels, of the square crop that the network takes."""
_POINTS = 468


class LandmarkNetwork:
    """The network of `face_landmark.tflite`, opened once; InputError for any other file."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        from ai_edge_litert.interpreter import Interpreter

        # The bytes, not the path: native code cannot open every path that Python can.
        content = path.read_bytes()
        try:
            with quiet_native_logs():  # Opening says which of its own parts it uses.
                # One thread: videos are what runs in parallel.
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
            self._crop = _the_only(self._interpreter.get_input_details(), NETWORK_SIDE**2 * 3)
            ends = self._interpreter.get_output_details()
            self._end = _the_only(ends, 3 * _POINTS)
            self._presence = _the_only(ends, 1)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"expected the 468-point face_landmark.tflite, received {path}: {error}.",
                hint="Point to that file, or choose another aligner.",
            ) from None

    def __call__(self, crop: UInt8Array) -> tuple[DoubleArray, float]:
        """Return (468, 3) points, x and y in pixels of a (192, 192, 3) crop, and a face's logit."""
        self._interpreter.set_tensor(self._crop, crop[np.newaxis] / np.float32(255.0))
        self._interpreter.invoke()
        points = self._interpreter.get_tensor(self._end).reshape(_POINTS, 3).astype(float)
        return points, float(self._interpreter.get_tensor(self._presence).item())


def _the_only(tensors: list[dict[str, Any]], size: int) -> int:
    found = [
        int(tensor["index"])
        for tensor in tensors
        if math.prod(tensor["shape"]) == size and tensor["dtype"] is np.float32
    ]
    if len(found) != 1:
        raise ValueError(f"{len(found)} of its tensors hold {size} floats, not 1")
    return found[0]
