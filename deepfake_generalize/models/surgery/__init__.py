"""Networks looked at as graphs: cutting them at a layer, weights in and out."""

from __future__ import annotations

from deepfake_generalize.models.surgery.cut import Cut, cut
from deepfake_generalize.models.surgery.graph import (
    flat_layers,
    is_graph,
    last_convolution,
    producer,
    run_through,
)
from deepfake_generalize.models.surgery.sites import Mixing, first_mixing, site_cut
from deepfake_generalize.models.surgery.weights import (
    check_classes,
    check_input_shape,
    finalize,
    load_weights,
)

__all__ = [
    "Cut",
    "Mixing",
    "check_classes",
    "check_input_shape",
    "cut",
    "finalize",
    "first_mixing",
    "flat_layers",
    "is_graph",
    "last_convolution",
    "load_weights",
    "producer",
    "run_through",
    "site_cut",
]
