"""How the study trained its detectors: the paper's values, each with its source."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.training.augmentation import AUGMENTATIONS, Augmentation
from deepfake_generalize.validation import (
    check_choice,
    check_number,
    check_type,
    check_whole,
    describe,
)

_PAPER = "paper, section III-C"
_SCRIPTS = "the study's scripts; the paper does not say"
_OFF = (
    *("restart_below", "restart_after", "max_restarts", "norm_momentum", "dropout"),
    *("weight_decay", "augmentation", "pairing"),
)
_SOURCES = {
    **dict.fromkeys(("name", "architecture"), "this library"),
    **dict.fromkeys(("stage", "learning_rate", "beta_1", "beta_2", "epochs"), _PAPER),
    **dict.fromkeys(("loss", "batch_size"), _SCRIPTS),
    **dict.fromkeys(_OFF, "not in the study"),
    "epsilon": "Keras's default, which the scripts keep; the paper does not say",
    "drop_last": "the paper names no images that are left out",
    "classes": "one unit for all five here; the paper does not say",
    "last_layers": "paper, section III-C and Table IV; counted in the study's scripts",
    "selection": "the paper keeps the best parameters; the scripts say by what",
}


@dataclass(frozen=True)
class Recipe:
    """The settings of one stage of training.

    `RECIPES` holds the paper's for each architecture. Shorten or change one with
    `dataclasses.replace(recipe, epochs=3, name="short")`.

    Attributes:
        name: What records call it.
        architecture: For which architecture it was made; only `fine_tuning` and `as_scripts` look
            at it.
        stage: `original`, the first training; or `fine_tuning`, by transfer or merge learning.
        learning_rate: Adam's step.
        beta_1: Adam's decay of the mean gradient, in [0, 1).
        beta_2: Adam's decay of the mean squared gradient, in [0, 1).
        epsilon: What Adam adds to the denominator.
        loss: `mse`, the mean squared error of the probability, or `bce`, binary cross-entropy.
        epochs: How many times the training images are gone through.
        batch_size: Images a step.
        drop_last: Leave out the last batch of an epoch where it is smaller than the others.
        classes: 1 for one sigmoid unit, 2 for two softmax columns (real, fake).
        last_layers: How many of the last layers transfer learning trains; None: no such choice.
        selection: What the best epoch is chosen by, on the validation data; the earliest of
            equals wins.
        restart_below: Begin again with other random numbers when the training accuracy is still
            under this after `restart_after` epochs; None never does.
        restart_after: Epochs before that is looked at.
        max_restarts: How often at most.
        norm_momentum: Of the running statistics of batch normalization while training; None leaves
            the network's own, .99 to .999. Those forget their beginning only after hundreds of
            steps, and until then a deep network answers at random: shorter trainings need .9.
        dropout: The rate of every dropout while training; None leaves the network's own. Short
            trainings need 0 for ShallowNet: its statistics are gathered behind eight dropouts, and
            until its activations have grown they are several times what they are at inference.
        weight_decay: What a step takes off every weight besides, as a part of it and times the
            learning rate (AdamW; Loshchilov and Hutter, ICLR 2019); biases and batch norm too, as
            in Keras. None for none.
        augmentation: What changes the training images, anew in each epoch: a name of
            `AUGMENTATIONS`, a function of yours, or one by reference, "path/to/file.py:name". It is
            called with images (B, H, W, 3) uint8 RGB, one at a time so that each has draws of its
            own, and a NumPy generator, and returns as many. None for nothing.
        pairing: Put every fake into the batch of an image of the real clip that it was made from,
            at most one fake to a real, frames as near as can be; the others come in between.
        citations: Setting to a value and where it stands; `sources` reads it.

    Reproduction notes:
        Where the paper and the study's scripts differ, the paper is the default and
        `as_scripts` gives the scripts' values. They differ in four points: the scripts fine-tune
        ShallowNet with rate 1e-3 and MSE (the paper: 5e-5 for all but the MesoNets); they leave out
        the last, smaller batch when fine-tuning (4000 // 64 steps an epoch); and they give
        Xception and EfficientNet two softmax columns (the paper does not say). Batches there
        alternate between original and few-shot images; here each epoch is one random order of all.
        The paper names the layers that transfer learning trains as "the last two function layers"
        or those in bold in its Table IV; the counts are the scripts'.

    Examples:
        >>> recipe = RECIPES["xception"]
        >>> recipe.learning_rate, recipe.epochs, recipe.fine_tuning.epochs
        (5e-05, 100, 50)
        >>> recipe.sources["epochs"]
        'paper, section III-C'
        >>> short = dataclasses.replace(recipe, epochs=3, name="short")
        >>> short.sources["epochs"]
        'set by the user'
    """

    name: str
    architecture: str = ""
    stage: Literal["original", "fine_tuning"] = "original"
    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    loss: Literal["mse", "bce"] = "bce"
    epochs: int = 100
    batch_size: int = 32
    drop_last: bool = False
    classes: int = 1
    last_layers: int | None = None
    selection: Literal["val_accuracy"] = "val_accuracy"
    restart_below: float | None = None
    restart_after: int = 5
    max_restarts: int = 3
    norm_momentum: float | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    augmentation: str | Augmentation | None = None
    pairing: bool = False
    citations: Mapping[str, tuple[Any, str]] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with.

        Raises:
            InputError: One of them.
        """
        for of in dataclasses.fields(self):
            value, check = getattr(self, of.name), _CHECKS.get(of.name)
            if check and (value is not None or of.default is not None):
                checked = check(f"{of.name} of a recipe", value, hint=_HINT)
                object.__setattr__(self, of.name, checked)
        if self.pairing and self.batch_size % 2:
            raise InputError(
                f"expected an even batch_size with pairing, received {self.batch_size}.",
                hint="A pair is a real image and a fake.",
            )
        if not check_type("name of a recipe to be a word", self.name, str, hint=_HINT):
            raise InputError("expected name of a recipe to be a word, received ''.", hint=_HINT)

    @property
    def sources(self) -> dict[str, str]:
        """Where each value comes from: setting -> citation."""
        cited = {name: self.citations.get(name, (None, "")) for name in self.values()}
        return {
            name: citation if citation and value == getattr(self, name) else "set by the user"
            for name, (value, citation) in cited.items()
        }

    @property
    def fine_tuning(self) -> Recipe:
        """The paper's recipe for fine-tuning this architecture, whatever was changed here.

        Raises:
            InputError: The recipe is not one of an architecture of the study.
        """
        return _paper(self._of_the_study(), "fine_tuning")

    @property
    def as_scripts(self) -> Recipe:
        """The same stage as the study's scripts run it; raises as `fine_tuning` does."""
        return _scripts(_paper(self._of_the_study(), self.stage))

    def values(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, as records hold them."""
        found = {name: value for name, value in vars(self).items() if name != "citations"}
        if callable(given := self.augmentation):
            own = re.sub(" at 0x[0-9a-f]+", "", str(getattr(given, "__qualname__", given)))
            found["augmentation"] = f"{given.__module__}:{own}"  # The same in the next process.
        return found

    def _of_the_study(self) -> str:
        name = f"the architecture of the recipe {self.name!r}"
        hint = "Begin with models.RECIPES[name]."
        return check_choice(name, self.architecture, LAST_LAYERS, hint=hint)


_HINT = "See models.RECIPES for the paper's values."
_ABOVE_0 = partial(check_number, above=0)
_FRACTION = partial(check_number, least=0, below=1)
_COUNT = partial(check_whole, least=1)


def _check_flag(name: str, given: object, *, hint: str) -> bool:
    return check_type(f"{name} to be True or False", given, bool, hint=hint)


def _check_augmentation(name: str, given: object, *, hint: str) -> object:
    if not callable(given) and ":" not in str(given):
        check_choice(name, given, AUGMENTATIONS, hint=f"Or pass a function of your own. {hint}")
    return given


_CHECKS: Mapping[str, Callable[..., Any]] = {
    "stage": partial(check_choice, choices=("original", "fine_tuning")),
    "learning_rate": _ABOVE_0,
    **dict.fromkeys(("beta_1", "beta_2", "norm_momentum", "dropout"), _FRACTION),
    "epsilon": _ABOVE_0,
    "loss": partial(check_choice, choices=("mse", "bce")),
    **dict.fromkeys(("epochs", "batch_size", "last_layers", "restart_after"), _COUNT),
    "classes": partial(check_whole, least=1, most=2),
    "selection": partial(check_choice, choices=("val_accuracy",)),
    "restart_below": partial(check_number, above=0, most=1),
    "max_restarts": partial(check_whole, least=0),
    "weight_decay": partial(check_number, least=0),
    "augmentation": _check_augmentation,
    **dict.fromkeys(("drop_last", "pairing"), _check_flag),
}

_NORMED = ("BatchNormalization", "Activation")
LAST_LAYERS = {
    "mesonet": ("Dense", "LeakyReLU", "Dropout", "Dense"),
    "mesoinception": ("Dense", "LeakyReLU", "Dropout", "Dense"),
    "shallownet": ("Dense", "BatchNormalization", "Dropout", "Dense"),
    "xception": ("SeparableConv2D", *_NORMED, "GlobalAveragePooling2D", "Dense"),
    "efficientnet_b0": ("Conv2D", *_NORMED, "GlobalAveragePooling2D", "Dropout", "Dense"),
}
"""Architecture -> the kinds of its last layers, which transfer learning trains.

A network of that name that ends otherwise is somebody's own, whatever it is called.
"""
_MESONETS = ("mesonet", "mesoinception")
_SOFTMAX = ("xception", "efficientnet_b0")


def _paper(architecture: str, stage: Literal["original", "fine_tuning"]) -> Recipe:
    original = stage == "original"
    small = architecture in _MESONETS
    recipe = Recipe(
        f"{architecture}-paper{'' if original else '-fine-tuning'}",
        architecture,
        stage,
        learning_rate=1e-3 if small else 5e-5,
        loss="mse" if small else "bce",
        epochs=100 if original else 50,
        batch_size=32 if original else 64,
        last_layers=None if original else len(LAST_LAYERS[architecture]),
    )
    sources = _SOURCES | ({"last_layers": "everything is trained"} if original else {})
    citations = {name: (value, sources[name]) for name, value in recipe.values().items()}
    return dataclasses.replace(recipe, citations=citations)


def _scripts(paper: Recipe) -> Recipe:
    changed: dict[str, Any] = {"name": paper.name.replace("paper", "scripts")}
    if paper.stage == "fine_tuning":
        changed["drop_last"] = True
        if paper.architecture == "shallownet":
            changed |= {"learning_rate": 1e-3, "loss": "mse"}
    if paper.architecture in _SOFTMAX:
        changed["classes"] = 2
    named = {key: (value, "the study's scripts") for key, value in changed.items()}
    return dataclasses.replace(paper, **changed, citations={**paper.citations, **named})


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {name: _paper(name, "original") for name in LAST_LAYERS}
)
"""Architecture -> the paper's recipe for its first training.

`.fine_tuning` of a recipe is the paper's for the second, `.as_scripts` what the study's scripts do
instead in the same stage.
"""


def recipe_or_default(recipe: object, default: Recipe | None, **asked: Any) -> Recipe:
    """Return the recipe given, or the default for None, with the values `asked` for by name.

    None asks for nothing. The recipe's name says what was changed.
    """
    chosen = default if recipe is None else recipe
    if not isinstance(chosen, Recipe):
        raise InputError(
            f"expected a Recipe, received {describe(recipe)}.",
            hint="There are defaults for the study's five networks alone, models.RECIPES and "
            "their .fine_tuning: for another pass one of them, or a Recipe of your own.",
        )
    changed: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    made = dataclasses.replace(chosen, **changed)
    said = (f"{key.replace('_', ' ')} {made.values()[key]}" for key in changed)
    return dataclasses.replace(made, name=", ".join((made.name, *said)))
