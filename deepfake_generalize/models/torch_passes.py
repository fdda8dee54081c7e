"""A PyTorch module at work: forward, back to a layer, on from a site. Loads PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes import SCALES, in_proportion, is_rectifier, token_grid
from deepfake_generalize.models.surgery import PAPER_REASON, WIDE
from deepfake_generalize.types import (
    AnyArray,
    DoubleArray,
    FloatArray,
    Images,
    MapOps,
    MapRule,
    MapView,
    Site,
)

_SQUASHING = ("sigmoid", "special_expit", "softmax")
_CONVOLUTIONS = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
Module: TypeAlias = Any
"""A `TorchDetector`, whose module imports this one."""


def logit_of(detector: Module, images: Any, target: str, *, guided: bool = False) -> Any:
    """Return the logit of "fake" or "real" of each image, (N,) float32."""
    with _Watch(guided=guided) as watch:
        rows = detector.rows(detector.function.given(images), len(images))
    rows = (rows if detector.logits else _before_squashing(rows, watch, detector.name)).float()
    own, column = detector.returns == target, detector.column or 0
    if rows.shape[1] == 1:
        return rows[:, 0] if own else -rows[:, 0]
    if own:
        return rows[:, column]
    others = [place for place in range(rows.shape[1]) if place != column]
    return rows[:, others].logsumexp(1)


def part_of(detector: Module, path: str) -> Any:
    """Return the module of a path."""
    known = dict(detector.function.module.named_modules())
    if not path or path not in known:
        raise InputError(
            f"expected the path of a layer of {detector.name!r}, received {path!r}; it has "
            f"{', '.join(filter(None, known))}.",
        )
    return known[path]


def _before_squashing(rows: Any, watch: _Watch, name: str) -> Any:
    for given, got in reversed(watch.squashed):
        # The same numbers, of whatever shape: squeeze() and flatten() make no others.
        if given.data_ptr() == rows.data_ptr() and given.numel() == rows.numel():
            return got.reshape(rows.shape)
    raise InputError(
        f"expected a module that ends in a sigmoid or a softmax, {name!r} does not.",
        hint="The maps are those of the logit: let it return logits, as_detector(..., "
        "logits=True), or all columns of its softmax, column=....",
    )


class _Watch(TorchFunctionMode):  # type: ignore[misc]
    """Notes what sigmoids and softmaxes are given, and guides the gradient of rectifiers."""

    def __init__(self, *, guided: bool) -> None:
        super().__init__()
        self.guided = guided
        self.squashed: list[tuple[Any, Any]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _SQUASHING:
            self.squashed.append((output, args[0] if args else (kwargs or {})["input"]))
        if self.guided and is_rectifier(name):
            return _Gate.apply(output)
        return output


class _Gate(torch.autograd.Function):  # type: ignore[misc]
    """Passes values on, and gradients only where they and the values are positive."""

    @staticmethod
    def forward(ctx: Any, rectified: Any) -> Any:
        ctx.save_for_backward(rectified)
        return rectified.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient * ((gradient > 0) & (ctx.saved_tensors[0] > 0))


@contextmanager
def hooked(hooks: Sequence[tuple[Any, Callable[..., Any]]]) -> Iterator[None]:
    """Let modules hand what they give to functions, which may give something else on."""
    handles = [part.register_forward_hook(hook) for part, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(output: Any) -> Any:
    """Return the tensor that a layer gives; the first of several."""
    return output[0] if isinstance(output, tuple | list) and output else output


def instead(output: Any, tensor: Any) -> Any:
    """Return what a layer gave with another tensor in the place of the first."""
    return type(output)([tensor, *output[1:]]) if isinstance(output, tuple | list) else tensor


def weighted_maps(detector: Module, images: Any, rule: MapRule, view: MapView, layer: str) -> Any:
    """Return a rule's signed maps at a layer, (N, h, w) float32.

    What comes before the layer is computed once and not differentiated.
    """
    found: list[Any] = []
    part = part_of(detector, layer)

    def hold(_: Any, __: Any, output: Any) -> Any:
        torch.set_grad_enabled(True)  # Until the end of no_grad, below.
        found.append(first_tensor(output).detach().requires_grad_())
        return instead(output, found[-1].clone())

    with torch.no_grad(), hooked([(part, hold)]):
        logit = logit_of(detector, images, view.target)
    gradient = _gradient(logit, found[0]) if len(found) == 1 else None
    if gradient is None:
        used = f"used {len(found)} times" if len(found) != 1 else "on which its verdict"
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, {used}"
            + ("." if len(found) != 1 else " does not depend by steps that have a gradient."),
            hint="Name a layer before or after it.",
        )
    features, shape = found[0].detach().float(), tuple(found[0].shape)
    if len(shape) not in (3, 4) or shape[0] != len(images):
        rows = "" if shape[0] == len(images) else f", {shape[0]} of them for {len(images)} images"
        raise InputError(
            "expected a layer with outputs (None, C, h, w) or tokens (None, T, C), received "
            f"{layer!r} with {(None, *shape[1:])}{rows}.",
            hint="Name a convolution, or what follows one.",
        )
    positions, channels = (1, 2), 3
    if len(shape) == 3:
        sides = token_grid(shape[1], detector.size, view.grid, layer)
        features, gradient = (
            values[:, -sides[0] * sides[1] :].unflatten(1, sides) for values in (features, gradient)
        )
    elif not _is_token_norm(part):
        positions, channels = (2, 3), 1
    ops = MapOps(
        mean=partial(torch.mean, dim=positions, keepdim=True),
        total=partial(torch.sum, dim=positions, keepdim=True),
        across=partial(torch.sum, dim=channels),
        relu=torch.relu,
    )
    return rule(features, gradient, ops).float()


def guided_gradient(detector: Module, images: Any, target: str) -> Any:
    """Return the guided gradient of the logit in the images, (N, h, w, 3) float32."""
    images = _differentiable(images)
    with torch.enable_grad():
        gradient = _gradient(logit_of(detector, images, target, guided=True), images)
    if gradient is None:
        raise InputError(
            f"expected a module whose verdict has a gradient in the images, {detector.name!r} "
            "computes it by steps that have none.",
            hint="They may be in no_grad, or work on detach() or numpy().",
        )
    return gradient.permute(0, 2, 3, 1)


def default_layer(detector: Module, images: Any) -> str:
    """Return the path of the last layer on whose places the verdict depends, for these images."""
    norms: dict[str, Any] = {}
    convolutions: dict[str, Any] = {}

    def note(path: str, _: Any, __: Any, output: Any) -> Any:
        if not torch.is_tensor(output) or len(output) != len(images) or output.dim() not in (3, 4):
            return None
        if isinstance(part_of(detector, path), _CONVOLUTIONS):
            if output.dim() == 4 and output[0, 0].numel() > 1:
                convolutions[path] = output
        elif output.dim() == 3 or in_proportion(output.shape[1:3], detector.size):
            norms[path] = output
        return output.clone()  # What follows may change it in its place.

    watched = [
        (part, partial(note, path))
        for path, part in detector.function.module.named_modules()
        if isinstance(part, _CONVOLUTIONS) or _is_token_norm(part)
    ]
    with torch.enable_grad(), hooked(watched):
        logit = logit_of(detector, _differentiable(images), "fake")
        layers = norms if len(norms) > len(convolutions) else convolutions
        for path, output in reversed(layers.items()):
            gradient = _gradient(logit, output, keep=True) if output.requires_grad else None
            if gradient is not None:
                half = (gradient.shape[1] + 1) // 2 if gradient.dim() == 3 else 0
                if gradient[:, half:].any():  # Places are the last of the tokens.
                    return path
    if not layers:
        raise InputError(
            "expected a module with a convolution whose outputs have more than one position, "
            f"received {detector.name!r} without one.",
            hint="Name a layer by its path, with outputs (None, C, h, w) or tokens (None, T, C).",
        )
    return list(layers)[-1]


def _gradient(logit: Any, source: Any, *, keep: bool = False) -> Any:
    """Return the gradient of each image's logit, float32; None where no steps lead back."""
    chosen: Any = None
    scales = SCALES if source.dtype == torch.float16 else (1.0,)
    for scale in () if logit.grad_fn is None else scales:
        ones, more = torch.full_like(logit, scale), keep or scale != scales[-1]
        (scaled,) = torch.autograd.grad(logit, source, ones, retain_graph=more, allow_unused=True)
        if scaled is None:
            return None
        gradient = scaled.float() / scale
        finite = gradient.isfinite().flatten(1).all(1).view(-1, *[1] * (gradient.dim() - 1))
        chosen = gradient if chosen is None else torch.where(finite, gradient, chosen)
    return chosen


def _differentiable(images: Any) -> Any:
    """Return images as floats, of 0 to 255 where they are bytes, that gradients are taken in."""
    images = images if images.is_floating_point() else images.float()
    return images.detach().requires_grad_()


def _is_token_norm(part: Any) -> bool:
    """Say whether this normalizes channels that come last; those that end in 2d permute them."""
    kind = type(part).__name__
    return kind.endswith("Norm") and isinstance(part, torch.nn.LayerNorm | torch.nn.RMSNorm)


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
