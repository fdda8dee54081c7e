"""The networks in PyTorch, layer for layer and with the same weights, for comparisons of time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softmax": lambda: nn.Softmax(1),
}


def epoch(
    name: str, images: Any, labels: Any, *, batch_size: int, threads: int | None
) -> Callable[[], None]:
    """Return an eager training epoch over images held in memory as float32, channels first."""
    from deepfake_generalize.models import ARCHITECTURES

    torch.set_num_threads(threads or os.cpu_count() or 1)
    network = Twin(ARCHITECTURES[name](images.shape[1:]))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)
    targets = torch.from_numpy(labels).float()[:, None]
    loss: nn.Module = nn.MSELoss() if name == "mesonet" else nn.BCELoss()
    rate = 1e-3 if name == "mesonet" else 5e-5
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, eps=1e-7)

    def run() -> None:
        network.train()
        order = torch.randperm(len(pixels))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            optimizer.zero_grad()
            loss(network(pixels[chosen]), targets[chosen]).backward()
            optimizer.step()

    return run


class Twin(nn.Module):
    """A flat Keras network of the kinds of layers that the five have, channels first."""

    def __init__(self, model: Any) -> None:
        """Take over layers and weights."""
        super().__init__()
        self.steps = nn.ModuleList()
        self._plan: list[tuple[list[int], int]] = []
        self._first, self._last = id(model.inputs[0]), id(model.outputs[0])
        for layer in model.layers[1:]:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            self.steps.append(_step(layer))
            self._plan.append(([id(tensor) for tensor in inputs], id(layer.output)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the classes (N, K) of images (N, 3, H, W) in [0, 1]."""
        known = {self._first: images}
        for step, (inputs, output) in zip(self.steps, self._plan, strict=True):
            known[output] = step(*(known[index] for index in inputs))
        return known[self._last]


class _Join(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        if self.kind == "Concatenate":
            return torch.cat(parts, 1)
        return parts[0] + parts[1] if self.kind == "Add" else parts[0] * parts[1]


class _Affine(nn.Module):
    def __init__(self, scale: Any, offset: Any) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.offset


class _Channels(nn.Module):
    """Channels last again, as Keras flattens them; or back to one pixel of channels."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, None, None] if self.first else x.permute(0, 2, 3, 1).flatten(1)


def _step(layer: Any) -> nn.Module:
    kind = type(layer).__name__
    if kind in _LAYERS:
        return _LAYERS[kind](layer)
    if kind in ("Add", "Multiply", "Concatenate"):
        return _Join(kind)
    raise NotImplementedError(kind)


def _activation(layer: Any) -> nn.Module:
    return _ACTIVATIONS[layer.activation.__name__]()


def _padded(layer: Any, kernel: int, value: float = 0.0) -> tuple[int, nn.Module]:
    """Return a padding that PyTorch's own layers can do, and what must come before them."""
    if layer.padding == "valid":
        return 0, nn.Identity()
    pads = []
    for side in reversed(layer.input.shape[1:3]):
        stride = layer.strides[0]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    if len(set(pads)) == 1:
        return pads[0], nn.Identity()
    return 0, nn.ConstantPad2d(pads, value)


def _convolution(layer: Any) -> nn.Module:
    weights = [torch.from_numpy(array) for array in layer.get_weights()]
    inputs = layer.input.shape[-1]
    kernel, dilation = layer.kernel_size[0], layer.dilation_rate[0]
    padding, before = _padded(layer, (kernel - 1) * dilation + 1)
    deep = type(layer).__name__ != "Conv2D"
    outputs = inputs if deep else layer.filters
    separable = type(layer).__name__ == "SeparableConv2D"
    convolution = nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride=layer.strides[0],
        padding=padding,
        dilation=dilation,
        groups=inputs if deep else 1,
        bias=layer.use_bias and not separable,
    )
    _give(convolution, weights[0].permute((2, 3, 0, 1) if deep else (3, 2, 0, 1)), weights[1:])
    steps = [before, convolution]
    if separable:
        pointwise = nn.Conv2d(inputs, layer.filters, 1, bias=layer.use_bias)
        _give(pointwise, weights[1].permute(3, 2, 0, 1), weights[2:])
        steps.append(pointwise)
    return _sequence(*steps, _activation(layer))


def _give(module: Any, kernel: torch.Tensor, bias: list[torch.Tensor]) -> None:
    with torch.no_grad():
        module.weight.copy_(kernel)
        if module.bias is not None:
            module.bias.copy_(bias[0])


def _sequence(*steps: nn.Module) -> nn.Module:
    kept = [step for step in steps if not isinstance(step, nn.Identity)]
    return nn.Sequential(*kept) if len(kept) != 1 else kept[0]


def _norm(layer: Any) -> nn.Module:
    norm = nn.BatchNorm2d if len(layer.input.shape) == 4 else nn.BatchNorm1d
    made = norm(layer.input.shape[-1], eps=layer.epsilon, momentum=1 - layer.momentum)
    places = (made.weight, made.bias, made.running_mean, made.running_var)
    with torch.no_grad():
        for place, array in zip(places, layer.get_weights(), strict=True):
            place.copy_(torch.from_numpy(array))
    return made


def _dense(layer: Any) -> nn.Module:
    kernel, bias = (torch.from_numpy(array) for array in layer.get_weights())
    dense = nn.Linear(*kernel.shape)
    _give(dense, kernel.T, [bias])
    return _sequence(dense, _activation(layer))


def _pool(layer: Any) -> nn.Module:
    padding, before = _padded(layer, layer.pool_size[0], -torch.inf)
    return _sequence(before, nn.MaxPool2d(layer.pool_size[0], layer.strides[0], padding))


def _zero_padding(layer: Any) -> nn.Module:
    (top, bottom), (left, right) = layer.padding
    return nn.ConstantPad2d((left, right, top, bottom), 0.0)


def _average(_: Any) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


_LAYERS: dict[str, Callable[[Any], nn.Module]] = {
    "Activation": _activation,
    "BatchNormalization": _norm,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _convolution,
    "Dropout": lambda layer: nn.Dropout(layer.rate),
    "Flatten": lambda _: _Channels(first=False),
    "GlobalAveragePooling2D": _average,
    "LeakyReLU": lambda layer: nn.LeakyReLU(layer.negative_slope),
    "MaxPooling2D": _pool,
    # With random weights it changes nothing.
    "Normalization": lambda _: _Affine(1.0, 0.0),
    "Rescaling": lambda layer: _Affine(layer.scale, layer.offset),
    "Reshape": lambda _: _Channels(first=True),
    "SeparableConv2D": _convolution,
    "ZeroPadding2D": _zero_padding,
}
