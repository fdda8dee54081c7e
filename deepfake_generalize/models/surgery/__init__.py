"""Networks looked at as graphs: cutting them at a layer, weights in and out."""

from __future__ import annotations

from deepfake_generalize.models.surgery.copying import (
    check_alike,
    copy_network,
    remake,
    twin,
    without_lambdas,
)
from deepfake_generalize.models.surgery.cut import (
    NOISE,
    PAPER_REASON,
    WIDE,
    Cut,
    FirstDense,
    cut,
    first_dense,
    site_cut,
)
from deepfake_generalize.models.surgery.foreign_files import foreign
from deepfake_generalize.models.surgery.graph import (
    closed_parts,
    every_layer,
    flat_layers,
    graph_layers,
    in_inference,
    is_graph,
    is_plain,
    last_convolution,
    norms_in_one_pass,
    only,
    output_of,
    producer,
    run_through,
)
from deepfake_generalize.models.surgery.weights import (
    check_self_contained,
    finalize,
    load_weights,
)

__all__ = [
    "NOISE",
    "PAPER_REASON",
    "WIDE",
    "Cut",
    "FirstDense",
    "check_alike",
    "check_self_contained",
    "closed_parts",
    "copy_network",
    "cut",
    "every_layer",
    "finalize",
    "first_dense",
    "flat_layers",
    "foreign",
    "graph_layers",
    "in_inference",
    "is_graph",
    "is_plain",
    "last_convolution",
    "load_weights",
    "norms_in_one_pass",
    "only",
    "output_of",
    "producer",
    "remake",
    "run_through",
    "site_cut",
    "twin",
    "without_lambdas",
]
