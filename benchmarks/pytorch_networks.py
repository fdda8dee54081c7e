"""MesoNet and Xception in PyTorch, layer for layer, for the comparison of training times."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable


def epoch(
    name: str, images: Any, labels: Any, *, batch_size: int, threads: int | None
) -> Callable[[], None]:
    """Return an eager training epoch over images held in memory as float32, channels first."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    network = {"mesonet": mesonet, "xception": xception}[name]()
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


def mesonet() -> nn.Module:
    """Return Meso-4 as `models.mesonet` builds it."""
    layers: list[nn.Module] = []
    channels = 3
    for filters, kernel, pool in ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4)):
        layers += [
            nn.Conv2d(channels, filters, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.BatchNorm2d(filters),
            nn.MaxPool2d(pool),
        ]
        channels = filters
    layers += [nn.Flatten(), nn.Dropout(0.5), nn.Linear(1024, 16), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(16, 1), nn.Sigmoid())


class _Separable(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )


class _Block(nn.Module):
    def __init__(self, widths: tuple[int, ...], *, shrinks: bool, first_relu: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            if number or first_relu:
                layers.append(nn.ReLU())
            layers.append(_Separable(inputs, outputs))
        self.skip: nn.Module = nn.Identity()
        if shrinks:
            layers.append(nn.MaxPool2d(3, 2, 1))
            shortcut = nn.Conv2d(widths[0], widths[-1], 1, stride=2, bias=False)
            self.skip = nn.Sequential(shortcut, nn.BatchNorm2d(widths[-1]))
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.body(x) + self.skip(x)
        return total


def xception() -> nn.Module:
    """Return Xception as `models.xception` builds it."""

    def convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        plain = nn.Conv2d(inputs, outputs, 3, stride=stride, bias=False)
        return [plain, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *convolution(3, 32, 2),
        *convolution(32, 64, 1),
        _Block((64, 128, 128), shrinks=True, first_relu=False),
        _Block((128, 256, 256), shrinks=True),
        _Block((256, 728, 728), shrinks=True),
        *(_Block((728, 728, 728, 728), shrinks=False) for _ in range(8)),
        _Block((728, 728, 1024), shrinks=True),
        *(_Separable(1024, 1536), nn.ReLU(), _Separable(1536, 2048), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2048, 1),
        nn.Sigmoid(),
    )
