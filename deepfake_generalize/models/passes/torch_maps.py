"""A PyTorch module forward, and back to a layer or to the images. Loads PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import torch
from torch.overrides import TorchFunctionMode

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes.rectifiers import is_rectifier
from deepfake_generalize.models.passes.tokens import in_proportion, token_grid
from deepfake_generalize.types import MapOps, MapRule, MapView

_SQUASHING = ("sigmoid", "special_expit", "softmax")
_CONVOLUTIONS = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
_SCALES = (1.0, 2.0**8, 2.0**15)
"""Of the logit, in half precision: float16 holds up to 65,504."""

Module: TypeAlias = Any
"""A `TorchDetector`, whose district imports this one."""


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
    scales = _SCALES if source.dtype == torch.float16 else (1.0,)
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
