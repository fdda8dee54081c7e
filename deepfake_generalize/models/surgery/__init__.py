"""Networks looked at as graphs: cutting them at a layer, weights in and out."""

from __future__ import annotations

from deepfake_generalize.models.surgery.cut import Cut, cut
from deepfake_generalize.models.surgery.graph import (
    flat_layers,
    graph_layers,
    is_graph,
    is_plain,
    last_convolution,
    only,
    producer,
    run_through,
)
from deepfake_generalize.models.surgery.sites import NOISE, FirstDense, first_dense, site_cut
from deepfake_generalize.models.surgery.weights import finalize, load_weights

__all__ = [
    "NOISE",
    "Cut",
    "FirstDense",
    "cut",
    "finalize",
    "first_dense",
    "flat_layers",
    "graph_layers",
    "is_graph",
    "is_plain",
    "last_convolution",
    "load_weights",
    "only",
    "producer",
    "run_through",
    "site_cut",
]
