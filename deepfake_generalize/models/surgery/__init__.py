"""Networks looked at as graphs: cutting them at a layer, weights in and out."""

from __future__ import annotations

from deepfake_generalize.models.surgery.copying import check_alike, copy_network, remake, twin
from deepfake_generalize.models.surgery.cut import Cut, cut
from deepfake_generalize.models.surgery.graph import (
    every_layer,
    flat_layers,
    graph_layers,
    in_inference,
    is_graph,
    is_plain,
    last_convolution,
    only,
    producer,
    run_through,
)
from deepfake_generalize.models.surgery.sites import NOISE, FirstDense, first_dense, site_cut
from deepfake_generalize.models.surgery.stored_weights import check_self_contained
from deepfake_generalize.models.surgery.weights import POINTER, finalize, is_pointer, load_weights

__all__ = [
    "NOISE",
    "POINTER",
    "Cut",
    "FirstDense",
    "check_alike",
    "check_self_contained",
    "copy_network",
    "cut",
    "every_layer",
    "finalize",
    "first_dense",
    "flat_layers",
    "graph_layers",
    "in_inference",
    "is_graph",
    "is_plain",
    "is_pointer",
    "last_convolution",
    "load_weights",
    "only",
    "producer",
    "remake",
    "run_through",
    "site_cut",
    "twin",
]
