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
from deepfake_generalize.models.passes.tokens import prefix, token_grid
from deepfake_generalize.types import MapOps, MapRule, MapView

_SQUASHING = ("sigmoid", "special_expit", "softmax")
_CONVOLUTIONS = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)


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
    if len(found) != 1 or not logit.requires_grad:
        used = f"used {len(found)} times" if len(found) != 1 else "on which its verdict"
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, {used}"
            + ("." if len(found) != 1 else " does not depend by steps that have a gradient."),
            hint="Name a layer before or after it.",
        )
    features, gradient = found[0], torch.autograd.grad(logit.sum(), found[0])[0].float()
    features, shape = features.detach().float(), tuple(features.shape)
    positions, channels = (1, 2), 3
    if len(shape) == 3:
        sides = token_grid(shape[1], detector.size, view.grid, layer)
        features, gradient = (
            values[:, -sides[0] * sides[1] :].unflatten(1, sides) for values in (features, gradient)
        )
    elif len(shape) != 4:
        raise InputError(
            "expected a layer with outputs (None, C, h, w) or tokens (None, T, C), received "
            f"{layer!r} with {(None, *shape[1:])}.",
            hint="Name a convolution, or what follows one.",
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
        logit = logit_of(detector, images, target, guided=True)
        return torch.autograd.grad(logit.sum(), images)[0].float().permute(0, 2, 3, 1)


def default_layer(detector: Module, images: Any) -> str:
    """Return the path of the last layer that still shows where, as found with these images.

    In a transformer, in which norms of tokens are more than convolutions, the last of them on whose
    places the verdict depends; else the last convolution whose outputs have several positions.
    """
    norms: dict[str, Any] = {}
    convolutions: list[str] = []

    def note(path: str, _: Any, __: Any, output: Any) -> None:
        if not torch.is_tensor(output) or output[0, 0].numel() == 1:
            return
        if output.dim() == 4 and isinstance(part_of(detector, path), _CONVOLUTIONS):
            convolutions.append(path)
        elif output.dim() == 4 or prefix(output.shape[1], detector.size) is not None:
            norms[path] = output

    watched = [
        (part, partial(note, path))
        for path, part in detector.function.module.named_modules()
        if isinstance(part, _CONVOLUTIONS) or _is_token_norm(part)
    ]
    with torch.enable_grad(), hooked(watched):
        logit = logit_of(detector, _differentiable(images), "fake")
        if len(norms) > len(convolutions):
            gradients = torch.autograd.grad(
                logit.sum(), list(norms.values()), allow_unused=True, materialize_grads=True
            )
            for path, gradient in reversed(list(zip(norms, gradients, strict=True))):
                before = prefix(gradient.shape[1], detector.size) if gradient.dim() == 3 else 0
                if gradient[:, before:].any():
                    return str(path)
    if not convolutions:
        raise InputError(
            "expected a module with a convolution whose outputs have more than one position, "
            f"received {detector.name!r} without one.",
            hint="Name a layer by its path, with outputs (None, C, h, w) or tokens (None, T, C).",
        )
    return convolutions[-1]


def _differentiable(images: Any) -> Any:
    """Return images as floats, of 0 to 255 where they are bytes, that gradients are taken in."""
    images = images if images.is_floating_point() else images.float()
    return images.detach().requires_grad_()


def _is_token_norm(part: Any) -> bool:
    """Say whether this normalizes channels that come last; those that end in 2d permute them."""
    kind = type(part).__name__
    return kind.endswith("Norm") and isinstance(part, torch.nn.LayerNorm | torch.nn.RMSNorm)
