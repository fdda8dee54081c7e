"""A PyTorch module cut open where neurons are set. Loads PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes.torch_maps import (
    TorchNetwork,
    first_tensor,
    hooked,
    instead,
)
from deepfake_generalize.models.surgery import PAPER_REASON, WIDE
from deepfake_generalize.types import AnyArray, DoubleArray, FloatArray, Images

_EXACT = 1e-4
"""How far the rest of a network may be from the whole, in its own outputs."""
_SAME = ("Clone", "Alias", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze")
_ELEMENTWISE = (
    *(*_SAME, "Relu", "LeakyRelu", "PreluKernel", "Elu", "Gelu", "Silu", "Mish", "Softplus"),
    *("Hardtanh", "Hardswish", "Hardsigmoid", "Sigmoid", "Tanh"),
    *("NativeBatchNorm", "CudnnBatchNorm"),
)


class _Reached(Exception):  # noqa: N818 - no error: what was wanted is there
    """Ends a pass forward."""


@dataclass(frozen=True)
class TorchSite:
    """The `types.Site` of a module, by hooks: what a layer gives is put in the place of its own.

    What lies before the site is computed for one image only, and what it gives is thrown away, so
    that the rest of the network computes for as many rows as are put in.

    Attributes:
        network: The module and what is known of it.
        point: What gives the activations; what enters it where `enters`.
        enters: Whether the site is what enters the layer.
        dense: The `nn.Linear` that mixes the neurons first, or None.
        kernel: (neurons, M).
        bias: (M,).
        shape: Of an image's activations as the layer gives them.
        blank: An image (1, ...), as the module takes it.
        p_fake: From what the module gives for so many images to P(fake).
        batches: From images and how many at a time to tensors, and how many each stands for.
    """

    network: TorchNetwork
    point: Any
    enters: bool
    dense: Any
    kernel: FloatArray
    bias: FloatArray
    shape: tuple[int, ...]
    blank: Any
    p_fake: Callable[[Any, int], AnyArray]
    batches: Callable[[Images, int], Iterator[tuple[Any, int]]]

    def activations(self, images: Images, batch_size: int) -> Iterator[AnyArray]:
        """Yield the site's activations, batch by batch."""
        for tensor, count in self.batches(images, batch_size):
            yield _array(self._caught(self.point, tensor, enters=self.enters))[:count]

    def before(self, activations: AnyArray) -> AnyArray:
        """Return what enters the kernel."""
        if self.enters or self.dense is None:
            return activations
        rows = self._like(activations).reshape(-1, *self.shape)
        with hooked([(self.point, lambda _, __, output: instead(output, rows))]):
            return _array(self._caught(self.dense, self.blank, enters=True))

    def sums(
        self, mixed: FloatArray, moved: FloatArray, kernel: FloatArray, factors: DoubleArray
    ) -> DoubleArray:
        """Return weighted sums of P(fake) with the neurons set."""
        updated = (
            torch.from_numpy(mixed)
            + torch.from_numpy(moved)[..., None] * torch.from_numpy(kernel)[:, None, None, :]
        )
        rows = updated.reshape(-1, mixed.shape[1])
        scores = self.p_fake(self.rest(rows), len(rows)).astype(np.float64)
        found: DoubleArray = (scores.reshape(-1, len(mixed)) @ factors).reshape(
            *moved.shape[:2], -1
        )
        return found

    def rest(self, rows: Any) -> Any:
        """Return what the module gives where rows are what left the first map."""
        rows = self._like(rows)
        if self.dense is None:
            rows = rows.reshape(-1, *self.shape)
        part = self.point if self.dense is None else self.dense
        with torch.no_grad(), hooked([(part, lambda _, __, output: instead(output, rows))]):
            return self.network(self.blank)

    def _like(self, rows: Any) -> Any:
        """Return rows on the device and in the precision of the network."""
        weight = next(self.network.module.parameters())
        return torch.as_tensor(rows).to(weight.device, weight.dtype)

    def _caught(self, part: Any, images: Any, *, enters: bool) -> Any:
        """Run the module up to a part; return what enters or leaves it, (N, neurons)."""
        found: list[Any] = []

        def catch(_: Any, inputs: Any, output: Any) -> None:
            found.append(first_tensor(inputs if enters else output).clone())
            raise _Reached

        try:
            with torch.no_grad(), hooked([(part, catch)]):
                self.network(images)
        except _Reached:
            pass
        return found[0].flatten(1)


def open_site(
    network: TorchNetwork,
    site: str,
    images: Any,
    *,
    p_fake: Callable[[Any, int], AnyArray],
    batches: Callable[[Images, int], Iterator[tuple[Any, int]]],
) -> TorchSite:
    """Cut a module open at `paper`, or at what the module of a path gives, (N, neurons).

    What follows what is seen in a pass forward of `images`, a few of noise.
    """
    enters = site == "paper"
    point = _paper_site(network, images) if enters else network.part(site)
    leaf, calls, output = _followed(network, point, images, enters=enters)
    neurons = leaf[0].numel()
    if max(leaf.shape[1:], default=0) != neurons:
        raise InputError(
            f"expected a site whose outputs are (None, neurons), received {site!r} with "
            f"{(None, *leaf.shape[1:])}.",
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
    shape = tuple(leaf.shape[1:])
    opened = TorchSite(
        *(network, point, enters, dense, kernel, bias, shape, images[:1], p_fake, batches)
    )
    _refuse_inexact(opened, leaf, output, site)
    return opened


def redrawn(network: TorchNetwork, seed: int, images: Any, behind: str | None) -> Any:
    """Return a copy of the module whose weights, all or those behind a site, are drawn anew.

    Layers that know how to (`reset_parameters`) do it; other weights are drawn from a normal
    distribution with their own mean and deviation.
    """
    chosen = list(network.module.modules())
    if behind is not None:
        at_paper = behind == "paper"
        point = _paper_site(network, images) if at_paper else network.part(behind)
        order = [part for part, *_ in _calls(network, images)]
        later = order[order.index(point) + 1 :]
        chosen = [part for part in later if all(point is not own for own in part.modules())]
        chosen += [point] if at_paper else []
    memo: dict[int, Any] = {}
    made = copy.deepcopy(network.module, memo)
    with torch.random.fork_rng(), torch.no_grad():
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


def _calls(network: TorchNetwork, images: Any) -> list[tuple[Any, Any, Any]]:
    """Return the modules in the order in which they are done, with what they got and gave."""
    calls: list[tuple[Any, Any, Any]] = []
    note = [(part, lambda *call: calls.append(call)) for part in network.module.modules()]
    with torch.no_grad(), hooked(note):
        network(images)
    return calls


def _paper_site(network: TorchNetwork, images: Any) -> Any:
    """Return the linear layer whose inputs are the paper's site."""
    dense = [
        part
        for part, _, output in _calls(network, images)
        if type(part) is torch.nn.Linear and output.dim() == 2
    ]
    if len(dense) < 2:
        raise InputError(
            "expected a network with two dense layers or more for site='paper', received "
            f"{network.name!r} with {len(dense)}.",
            hint=PAPER_REASON,
        )
    return dense[int(dense[0].out_features >= WIDE)]


def _followed(
    network: TorchNetwork, point: Any, images: Any, *, enters: bool
) -> tuple[Any, list[tuple[Any, Any, Any]], Any]:
    """Run images through; return the activations, the linear layers' calls, and the outputs."""
    held: list[Any] = []
    calls: list[tuple[Any, Any, Any]] = []

    def hold(_: Any, given: Any, output: Any) -> Any:
        held.append(first_tensor(given if enters else output).detach().requires_grad_())
        copied = held[-1].clone()
        return point.forward(copied) if enters else instead(output, copied)

    linear = [part for part in network.module.modules() if type(part) is torch.nn.Linear]
    note = [(part, lambda *call: calls.append(call)) for part in linear]
    with torch.enable_grad(), hooked([(point, hold), *note]):
        output = network.rows(network(images), len(images))
    if len(held) != 1:
        raise InputError(
            f"expected a layer that is used once, received one of {network.name!r} used "
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


def _refuse_inexact(opened: TorchSite, leaf: Any, output: Any, site: str) -> None:
    """Raise unless the rest of the network, alone, gives what the network gives."""
    entering = np.asarray(opened.before(_array(leaf.flatten(1))), np.float64)
    mixed = (entering @ opened.kernel + opened.bias).astype(np.float32)
    try:
        found = opened.network.rows(opened.rest(mixed), len(mixed))
        exact = torch.allclose(found.float(), output.float(), rtol=_EXACT, atol=_EXACT)
    except Exception:  # Whatever a module raises where sizes do not fit.
        exact = False
    if not exact:
        raise InputError(
            f"expected a layer through which everything flows, received {site!r}: what follows it "
            f"in {opened.network.name!r} reads the image or the number of images, too.",
            hint="Name a layer where the branches have joined again, or before they part; and let "
            "the module ask each tensor for its own number of images.",
        )
