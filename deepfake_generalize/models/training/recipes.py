"""How the study trained its detectors: the paper's values, each with its source."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PAPER = "paper, section III-C"
_SCRIPTS = "the study's scripts; the paper does not say"
_KERAS = "Keras's default, which the scripts keep; the paper does not say"
_OFF = "not in the study"


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
    citations: Mapping[str, tuple[Any, str]] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with.

        Raises:
            InputError: One of them.
        """
        for name, (holds, wanted) in _CHECKS.items():
            value = getattr(self, name)
            if not holds(value):
                raise InputError(
                    f"expected {name} of a recipe to be {wanted}, received {value!r}.",
                    hint="See models.RECIPES for the paper's values.",
                )

    @property
    def sources(self) -> dict[str, str]:
        """Where each value comes from: setting -> citation."""
        sources = {}
        for name, value in self.values().items():
            cited, citation = self.citations.get(name, (None, ""))
            sources[name] = citation if citation and cited == value else "set by the user"
        return sources

    @property
    def fine_tuning(self) -> Recipe:
        """The paper's recipe for fine-tuning this architecture, whatever was changed here.

        Raises:
            InputError: The recipe is not one of an architecture of the study.
        """
        return _paper(self._of_the_study(), "fine_tuning")

    @property
    def as_scripts(self) -> Recipe:
        """The same stage as the study's scripts run it, whatever was changed here.

        Raises:
            InputError: The recipe is not one of an architecture of the study.
        """
        return _scripts(_paper(self._of_the_study(), self.stage))

    def values(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, as records hold them."""
        return {
            one.name: getattr(self, one.name)
            for one in dataclasses.fields(self)
            if one.name != "citations"
        }

    def _of_the_study(self) -> str:
        if self.architecture not in _ARCHITECTURES:
            raise InputError(
                f"expected a recipe of one of {', '.join(_ARCHITECTURES)}, the recipe "
                f"{self.name!r} is for {self.architecture or 'no architecture'!r}.",
                hint="Begin with models.RECIPES[name].",
            )
        return self.architecture


def _number(value: object) -> bool:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and math.isfinite(value)  # type: ignore[arg-type]


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _fraction(value: Any) -> bool:
    return _number(value) and 0 <= value < 1


def _count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


_COUNT = (_count, "a whole number from 1")
_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str) and bool(value), "a word"),
    "stage": (lambda value: value in ("original", "fine_tuning"), "'original' or 'fine_tuning'"),
    "learning_rate": (_positive, "a number above 0"),
    "beta_1": (_fraction, "a number in [0, 1)"),
    "beta_2": (_fraction, "a number in [0, 1)"),
    "epsilon": (_positive, "a number above 0"),
    "loss": (lambda value: value in ("mse", "bce"), "'mse' or 'bce'"),
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "drop_last": (lambda value: isinstance(value, bool), "True or False"),
    "classes": (lambda value: _count(value) and value <= 2, "1 or 2"),
    "last_layers": (lambda value: value is None or _count(value), "None or a number of layers"),
    "selection": (lambda value: value == "val_accuracy", "'val_accuracy'"),
    "restart_below": (
        lambda value: value is None or (_number(value) and 0 < value <= 1),
        "None or a number in (0, 1]",
    ),
    "restart_after": _COUNT,
    "max_restarts": (lambda value: _count(value, 0), "a whole number from 0"),
    "norm_momentum": (lambda value: value is None or _fraction(value), "None or in [0, 1)"),
    "dropout": (lambda value: value is None or _fraction(value), "None or in [0, 1)"),
}

# Architecture -> layers that transfer learning trains, counted from the end.
_ARCHITECTURES = {
    "mesonet": 4,
    "mesoinception": 4,
    "shallownet": 4,
    "xception": 5,
    "efficientnet_b0": 6,
}
_MESONETS = ("mesonet", "mesoinception")
_SOFTMAX = ("xception", "efficientnet_b0")


def _paper(architecture: str, stage: Literal["original", "fine_tuning"]) -> Recipe:
    original = stage == "original"
    small = architecture in _MESONETS
    cited: dict[str, tuple[Any, str]] = {
        "learning_rate": (1e-3 if small else 5e-5, _PAPER),
        "beta_1": (0.9, _PAPER),
        "beta_2": (0.999, _PAPER),
        "epsilon": (1e-7, _KERAS),
        "loss": ("mse" if small else "bce", _SCRIPTS),
        "epochs": (100 if original else 50, _PAPER),
        "batch_size": (32 if original else 64, _SCRIPTS),
        "drop_last": (False, "the paper names no images that are left out"),
        "classes": (1, "one unit for all five here; the paper does not say"),
        "last_layers": (
            None if original else _ARCHITECTURES[architecture],
            "everything is trained"
            if original
            else f"paper, section III-C and Table IV; {_COUNTS}",
        ),
        "selection": (
            "val_accuracy",
            "the paper keeps the best parameters; the scripts say by what",
        ),
        "restart_below": (None, _OFF),
        "restart_after": (5, _OFF),
        "max_restarts": (3, _OFF),
        "norm_momentum": (None, _OFF),
        "dropout": (None, _OFF),
    }
    named: dict[str, tuple[Any, str]] = {
        "name": (f"{architecture}-paper{'' if original else '-fine-tuning'}", "this library"),
        "architecture": (architecture, "this library"),
        "stage": (stage, _PAPER),
    }
    citations = named | cited
    values = {key: value for key, (value, _) in citations.items()}
    return Recipe(**values, citations=citations)


_COUNTS = "counted in the study's scripts"


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
    {name: _paper(name, "original") for name in _ARCHITECTURES}
)
"""Architecture -> the paper's recipe for its first training.

`.fine_tuning` of a recipe is the paper's for the second, `.as_scripts` what the study's scripts do
instead in the same stage.
"""
