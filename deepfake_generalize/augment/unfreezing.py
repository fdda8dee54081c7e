"""Which layers of a network transfer learning trains, and where the network is cut for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import NOISE, Cut, copy_network, cut, flat_layers, remake
from deepfake_generalize.models.training import Recipe, own_random_numbers
from deepfake_generalize.validation import is_whole

# What a dropout may stand in front of and still be at the boundary: the same numbers, rearranged.
_REARRANGING = (layers.Flatten, layers.Reshape, layers.Permute, layers.Identity)


@dataclass(frozen=True)
class Head:
    """The last layers of a network: from the flat layer at index `first` on.

    `trained` is the name of the first layer that the caller asked for.
    """

    first: int
    trained: str


def choose_head(model: keras.Model, unfreeze: object, recipe: Recipe) -> Head:
    """Find the layers that `transfer` trains; a dropout right before them is theirs too."""
    leaves = flat_layers(model)
    index = _first_index(model, leaves, unfreeze, recipe)
    if not any(layer.weights for layer in leaves[index:]):
        raise InputError(
            f"expected layers with weights to train, unfreeze={unfreeze!r} gives "
            f"{', '.join(layer.name for layer in leaves[index:])} of {model.name!r}.",
            hint="Unfreeze more layers.",
        )
    if not any(layer.weights for layer in leaves[:index]):
        raise InputError(
            f"expected layers with weights to freeze, unfreeze={unfreeze!r} trains all of "
            f"{model.name!r}.",
            hint="Unfreeze fewer layers, or train all of them: augment.merge.",
        )
    first = before = index
    while before and isinstance(leaves[before - 1], (*NOISE, *_REARRANGING)):
        before -= 1
        first = before if isinstance(leaves[before], NOISE) else first
    return Head(first, leaves[index].name)


def _first_index(model: keras.Model, leaves: list[Any], unfreeze: object, recipe: Recipe) -> int:
    if unfreeze == "paper" and recipe.last_layers is None:
        raise InputError(
            f"expected a recipe that says how many layers to train for unfreeze='paper', "
            f"{recipe.name!r} does not.",
            hint="Pass unfreeze as a count or the first layer's name.",
        )
    unfreeze = recipe.last_layers if unfreeze == "paper" else unfreeze
    if isinstance(unfreeze, str):
        names = [layer.name for layer in leaves]
        if names.count(unfreeze) != 1:
            raise InputError(
                f"expected the name of a layer of {model.name!r}, received {unfreeze!r}; it has "
                f"{', '.join(names)}.",
            )
        return names.index(unfreeze)
    if not is_whole(unfreeze, least=1) or unfreeze > len(model.layers):
        raise InputError(
            "expected unfreeze to be 'paper', the name of a layer, or a number of layers from 1 "
            f"to {len(model.layers)}, received {unfreeze!r}."
        )
    return sum(len(flat_layers(layer)) for layer in model.layers[: -int(unfreeze)])


def trainable_copy(
    model: keras.Model, *, first: int = 0, noise: bool = True, seed: int = 0
) -> keras.Model:
    """Copy a network so that its last layers can be trained, whatever was frozen in it before.

    Flat layers before `first` are frozen; their batch norm uses its stored statistics. With `noise`
    their dropout stays, as in the study's scripts. Layers that have no seed draw by `seed`.
    """
    frozen = {layer.name for layer in flat_layers(model)[:first]}

    def cloned(layer: Any) -> Any:
        if not noise and layer.name in frozen and isinstance(layer, NOISE):
            return layers.Identity(name=layer.name)
        # A layer that is made frozen stays so: its weights count as states.
        return remake(layer, trainable=True)

    with own_random_numbers(seed):
        clone = copy_network(model, cloned)
    for layer in flat_layers(clone)[:first]:
        layer.trainable = False
    return clone


def cut_before(model: keras.Model, head: Head) -> Cut:
    """Cut a copy of a network as near before its head as everything flows through one place.

    The tail may hold frozen layers where a skip connection ends inside the head.
    """
    leaves = flat_layers(model)
    wanted = {layer.name for layer in leaves[head.first :]}
    for layer in reversed(leaves[: head.first]):
        try:
            parts = cut(model, layer.name)
        except InputError:
            continue
        if parts.trunk.weights and wanted <= {inner.name for inner in flat_layers(parts.tail)}:
            return parts
    raise InputError(
        f"expected a network that can be cut before {head.trained!r}, in {model.name!r} there is "
        "no place through which everything flows.",
        hint="Pass cache=False, or unfreeze other layers.",
    )
