"""A PyTorch module cut open where neurons are set. Loads PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes.torch_maps import (
    Module,
    first_tensor,
    hooked,
    instead,
    part_of,
)
from deepfake_generalize.models.surgery import PAPER_REASON, WIDE
from deepfake_generalize.types import AnyArray, DoubleArray, FloatArray, Images, Site

_EXACT = 1e-4
"""How far the rest of a network may be from the whole, in its outputs; more in half precision."""
_SAME = ("Clone", "Alias", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze")
_ELEMENTWISE = (
    *(*_SAME, "Relu", "LeakyRelu", "PreluKernel", "Elu", "Gelu", "Silu", "Mish", "Softplus"),
    *("Hardtanh", "Hardswish", "Hardsigmoid", "Sigmoid", "Tanh"),
    *("NativeBatchNorm", "CudnnBatchNorm"),
)


class _Reached(Exception):  # noqa: N818 - no error: what was wanted is there
    """Ends a pass forward."""


def open_site(detector: Module, site: str, images: Any) -> Site:
    """Cut a module open at `paper`, or at what the module of a path gives, (N, neurons).

    What a layer gives is put in the place of its own by hooks; what lies before the site is
    computed for one image only. What follows what is seen in a pass forward of `images`.
    """
    enters = site == "paper"
    point = _paper_site(detector, images) if enters else part_of(detector, site)
    leaf, calls, output = _followed(detector, point, images, enters=enters)
    shape, neurons = leaf.shape[1:], leaf[0].numel()
    if max(shape, default=0) != neurons:
        raise InputError(
            f"expected a site whose outputs are (None, neurons), received {site!r} with "
            f"{(None, *shape)}.",
            hint="Name a linear layer, or what flattens the features before it.",
        )
    if neurons < 2 or _is_elementwise(output.grad_fn, leaf, _SAME):
        raise InputError(
            "expected a site of several neurons before the network's output, received "
            f"{site!r} with {neurons}.",
            hint=PAPER_REASON,
        )
    dense = point if enters else _first_linear(calls, leaf, output)
    kernel, bias = np.eye(neurons, dtype=np.float32), np.zeros(neurons, np.float32)
    if dense is not None:
        kernel = np.ascontiguousarray(_array(dense.weight).T)
        bias = np.zeros(kernel.shape[1], np.float32) if dense.bias is None else _array(dense.bias)

    def put(part: Any, rows: Any, *, catch: Any = None) -> Any:
        rows = torch.as_tensor(rows).to(leaf.device, leaf.dtype)
        rows = rows.reshape(-1, *shape) if part is point and not enters else rows
        place = (part, lambda _, __, output: instead(output, rows))
        return _caught(detector, images[:1], [place], catch)

    def before(activations: AnyArray) -> AnyArray:
        alone = enters or dense is None
        return activations if alone else _array(put(point, activations, catch=(dense, True)))

    def rest(rows: Any) -> Any:
        return put(point if dense is None else dense, rows)

    def activations(images: Images, batch_size: int) -> Iterator[AnyArray]:
        for tensor, count in detector.tensors(images, batch_size):
            yield _array(_caught(detector, tensor, [], (point, enters)))[:count]

    def sums(
        mixed: FloatArray, moved: FloatArray, kernel: FloatArray, factors: DoubleArray
    ) -> DoubleArray:
        parts = map(torch.from_numpy, (mixed, moved[..., None], kernel[:, None, None, :]))
        rows = torch.addcmul(*parts).reshape(-1, mixed.shape[1])
        scores = detector.fake_of(rest(rows), len(rows)).reshape(-1, len(mixed))
        weighted: DoubleArray = scores.astype(np.float64) @ factors
        return weighted.reshape(*moved.shape[:2], -1)

    kept = _array(leaf.flatten(1))
    _refuse_inexact(
        detector, lambda: rest(before(kept).astype(np.float64) @ kernel + bias), output, site
    )
    return Site(kernel, bias, activations, before, sums)


def redrawn(detector: Module, seed: int, images: Any, behind: str | None) -> Any:
    """Return a copy of the module whose weights, all or those behind a site, are drawn anew."""
    chosen = list(detector.function.module.modules())
    if behind is not None:
        at_paper = behind == "paper"
        point = _paper_site(detector, images) if at_paper else part_of(detector, behind)
        order = [part for part, *_ in _calls(detector, images)]
        later = order[order.index(point) + 1 :]
        chosen = [part for part in later if all(point is not own for own in part.modules())]
        chosen += [point] if at_paper else []
    memo: dict[int, Any] = {}
    made = copy.deepcopy(detector.function.module, memo)
    devices = {weights.device for weights in made.parameters() if weights.is_cuda}
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        for part in (memo[id(each)] for each in chosen):
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
            else:
                for weights in part.parameters(recurse=False):
                    weights.normal_(weights.mean().item(), weights.std(correction=0).item())
    return made


def _array(tensor: Any) -> FloatArray:
    found: FloatArray = tensor.detach().float().cpu().numpy()
    return found


def _caught(
    detector: Module, images: Any, places: list[Any], catch: tuple[Any, bool] | None
) -> Any:
    """Run the module with hooks; return what it gives, or what enters or leaves a part of it."""
    found: list[Any] = []

    def hold(_: Any, given: Any, output: Any) -> None:
        found.append(first_tensor(given if enters else output).clone().flatten(1))
        raise _Reached

    part, enters = catch or (None, False)
    try:
        with torch.no_grad(), hooked([*places, *([] if part is None else [(part, hold)])]):
            return detector.function.given(images)
    except _Reached:
        return found[0]


def _calls(detector: Module, images: Any) -> list[tuple[Any, Any, Any]]:
    """Return the modules in the order in which they are done, with what they got and gave."""
    calls: list[tuple[Any, Any, Any]] = []
    note = [(part, lambda *call: calls.append(call)) for part in detector.function.module.modules()]
    with torch.no_grad(), hooked(note):
        detector.function.given(images)
    return calls


def _paper_site(detector: Module, images: Any) -> Any:
    """Return the linear layer whose inputs are the paper's site."""
    dense = [
        part
        for part, _, output in _calls(detector, images)
        if type(part) is torch.nn.Linear and output.dim() == 2
    ]
    if len(dense) < 2:
        raise InputError(
            "expected a network with two dense layers or more for site='paper', received "
            f"{detector.name!r} with {len(dense)}.",
            hint=PAPER_REASON,
        )
    return dense[int(dense[0].out_features >= WIDE)]


def _followed(
    detector: Module, point: Any, images: Any, *, enters: bool
) -> tuple[Any, list[tuple[Any, Any, Any]], Any]:
    """Run images through; return the activations, the linear layers' calls, and the outputs."""
    held: list[Any] = []
    calls: list[tuple[Any, Any, Any]] = []

    def hold(_: Any, given: Any, output: Any) -> Any:
        held.append(first_tensor(given if enters else output).detach().requires_grad_())
        copied = held[-1].clone()
        return point.forward(copied) if enters else instead(output, copied)

    linear = [part for part in detector.function.module.modules() if type(part) is torch.nn.Linear]
    note = [(part, lambda *call: calls.append(call)) for part in linear]
    with torch.enable_grad(), hooked([(point, hold), *note]):
        output = detector.rows(detector.function.given(images), len(images))
    if len(held) != 1:
        raise InputError(
            f"expected a layer that is used once, received one of {detector.name!r} used "
            f"{len(held)} times.",
            hint="Name a layer before or after it.",
        )
    return held[0], [(part, first_tensor(given), got) for part, given, got in calls], output


def _first_linear(calls: list[tuple[Any, Any, Any]], leaf: Any, output: Any) -> Any:
    """Return the linear layer that mixes the neurons first, all of them, or None."""
    for part, given, got in calls:
        used = sum(other is part for other, *_ in calls)
        if used == 1 and given.dim() == 2 and given.shape[1] == leaf[0].numel():
            alone = _is_elementwise(given.grad_fn, leaf)
            if alone and not _leads(output.grad_fn, leaf, past=got.grad_fn):
                return part
    return None


def _leads(node: Any, leaf: Any, past: Any = None) -> bool:
    """Say whether steps lead back from a node of the gradient's graph to a leaf, but not past."""
    seen, waiting = {past, None}, [node]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if getattr(current, "variable", None) is leaf:
            return True
        waiting += [before for before, _ in current.next_functions]
    return False


def _is_elementwise(node: Any, leaf: Any, known: tuple[str, ...] = _ELEMENTWISE) -> bool:
    """Say whether every step from a leaf to a node is known to treat each neuron on its own."""
    while node is not None and getattr(node, "variable", None) is not leaf:
        if node.name().partition("Backward")[0] not in known:
            return False
        ways = [before for before, _ in node.next_functions if _leads(before, leaf)]
        node = ways[0] if len(ways) == 1 else None
    return node is not None


def _refuse_inexact(detector: Module, again: Callable[[], Any], output: Any, site: str) -> None:
    """Raise unless the rest of the network, alone, gives what the network gives."""
    try:
        found = detector.rows(again(), len(output))
        off = max(_EXACT, 8 * torch.finfo(found.dtype).eps)
        exact = torch.allclose(found.float(), output.float(), rtol=off, atol=off)
    except Exception:  # Whatever a module raises where sizes do not fit.
        exact = False
    if not exact:
        raise InputError(
            f"expected a layer through which everything flows, received {site!r}: what follows it "
            f"in {detector.name!r} reads the image or the number of images, too.",
            hint="Name a layer where the branches have joined again, or before they part; and let "
            "the module ask each tensor for its own number of images.",
        )
