"""A PyTorch module forward, and back to a layer or to the images. Loads PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes.rectifiers import is_rectifier
from deepfake_generalize.models.passes.tokens import prefix, token_grid
from deepfake_generalize.types import MapRule

_SQUASHING = ("sigmoid", "special_expit", "softmax")
_CONVOLUTIONS = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)


@dataclass(frozen=True)
class TorchNetwork:
    """A module, and what `as_detector` was told of it.

    Attributes:
        module: From images (N, 3, H, W), or as it takes them.
        evaluating: Holds it in eval mode.
        name: What messages call it.
        size: (height, width) of the images.
        rows: From what the module gives for so many images to (N, K), refusing what is no score.
        logits: Whether that is before its sigmoid or softmax.
        column: The column that speaks of real faces, or of fakes.
        real: Whether it speaks of real faces.
    """

    module: Any
    evaluating: Callable[[], AbstractContextManager[None]]
    name: str
    size: tuple[int, int]
    rows: Callable[[Any, int], Any]
    logits: bool
    column: int
    real: bool

    def __call__(self, images: Any) -> Any:
        """Return what the module gives in inference."""
        with self.evaluating():
            return self.module(images)

    def logit(self, images: Any, target: str, *, guided: bool = False) -> Any:
        """Return the logit of "fake" or "real" of each image, (N,) float32."""
        with _Watch(guided=guided) as watch:
            rows = self.rows(self(images), len(images))
        rows = (rows if self.logits else self._before_squashing(rows, watch)).float()
        own = self.real == (target == "real")
        if rows.shape[1] == 1:
            return rows[:, 0] if own else -rows[:, 0]
        if own:
            return rows[:, self.column]
        others = [place for place in range(rows.shape[1]) if place != self.column]
        return rows[:, others].logsumexp(1)

    def part(self, path: str) -> Any:
        """Return the module of a path."""
        known = dict(self.module.named_modules())
        if not path or path not in known:
            raise InputError(
                f"expected the path of a layer of {self.name!r}, received {path!r}; it has "
                f"{', '.join(filter(None, known))}.",
            )
        return known[path]

    def _before_squashing(self, rows: Any, watch: _Watch) -> Any:
        for given, got in reversed(watch.squashed):
            # The same numbers, of whatever shape: squeeze() and flatten() make no others.
            if given.data_ptr() == rows.data_ptr() and given.numel() == rows.numel():
                return got.reshape(rows.shape)
        raise InputError(
            f"expected a module that ends in a sigmoid or a softmax, {self.name!r} does not.",
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


@dataclass(frozen=True)
class TorchOps:
    """`types.MapOps` of PyTorch, for tensors whose axes are these."""

    positions: tuple[int, int]
    channels: int

    def mean(self, values: Any) -> Any:
        """Mean over the positions."""
        return values.mean(self.positions, keepdim=True)

    def total(self, values: Any) -> Any:
        """Sum over the positions."""
        return values.sum(self.positions, keepdim=True)

    def across(self, values: Any) -> Any:
        """Sum over the channels."""
        return values.sum(self.channels)

    def relu(self, values: Any) -> Any:
        """Positive values, else 0."""
        return values.relu()


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


def weighted_maps(
    network: TorchNetwork,
    images: Any,
    rule: MapRule,
    *,
    target: str,
    layer: str,
    grid: tuple[int, int] | None,
) -> Any:
    """Return a rule's signed maps at a layer, (N, h, w) float32.

    What comes before the layer is computed once and not differentiated.
    """
    found: list[Any] = []
    part = network.part(layer)

    def hold(_: Any, __: Any, output: Any) -> Any:
        torch.set_grad_enabled(True)  # Until the end of no_grad, below.
        found.append(first_tensor(output).detach().requires_grad_())
        return instead(output, found[-1].clone())

    with torch.no_grad(), hooked([(part, hold)]):
        logit = network.logit(images, target)
    if len(found) != 1 or not logit.requires_grad:
        used = f"used {len(found)} times" if len(found) != 1 else "on which its verdict"
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, {used}"
            + ("." if len(found) != 1 else " does not depend by steps that have a gradient."),
            hint="Name a layer before or after it.",
        )
    gradient = torch.autograd.grad(logit.sum(), found[0])[0].float()
    features = found[0].detach().float()
    shape = tuple(features.shape)
    ops = TorchOps((1, 2), 3)
    if features.dim() == 3:
        sides = token_grid(shape[1], network.size, grid, layer)
        features, gradient = (
            values[:, -sides[0] * sides[1] :].unflatten(1, sides) for values in (features, gradient)
        )
    elif features.dim() != 4:
        raise InputError(
            "expected a layer with outputs (None, C, h, w) or tokens (None, T, C), received "
            f"{layer!r} with {(None, *shape[1:])}.",
            hint="Name a convolution, or what follows one.",
        )
    elif not _is_token_norm(part):
        ops = TorchOps((2, 3), 1)
    return rule(features, gradient, ops).float()


def guided_gradient(network: TorchNetwork, images: Any, *, target: str) -> Any:
    """Return the guided gradient of the logit in the images, (N, h, w, 3) float32."""
    images = _differentiable(images)
    with torch.enable_grad():
        logit = network.logit(images, target, guided=True)
        return torch.autograd.grad(logit.sum(), images)[0].float().permute(0, 2, 3, 1)


def default_layer(network: TorchNetwork, images: Any) -> str:
    """Return the path of the last layer that still shows where, as found with these images.

    In a transformer, in which norms of tokens are more than convolutions, the last of them on whose
    places the verdict depends; else the last convolution whose outputs have several positions.
    """
    norms: dict[str, Any] = {}
    convolutions: list[str] = []

    def note(path: str, _: Any, __: Any, output: Any) -> None:
        if not torch.is_tensor(output) or output[0, 0].numel() == 1:
            return
        if output.dim() == 4 and isinstance(network.part(path), _CONVOLUTIONS):
            convolutions.append(path)
        elif output.dim() == 4 or prefix(output.shape[1], network.size) is not None:
            norms[path] = output

    watched = [
        (part, partial(note, path))
        for path, part in network.module.named_modules()
        if isinstance(part, _CONVOLUTIONS) or _is_token_norm(part)
    ]
    with torch.enable_grad(), hooked(watched):
        logit = network.logit(_differentiable(images), "fake")
        if len(norms) > len(convolutions):
            gradients = torch.autograd.grad(
                logit.sum(), list(norms.values()), allow_unused=True, materialize_grads=True
            )
            for path, gradient in reversed(list(zip(norms, gradients, strict=True))):
                before = prefix(gradient.shape[1], network.size) if gradient.dim() == 3 else 0
                if gradient[:, before:].any():
                    return str(path)
    if not convolutions:
        raise InputError(
            "expected a module with a convolution whose outputs have more than one position, "
            f"received {network.name!r} without one.",
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
