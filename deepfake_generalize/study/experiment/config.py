"""What a study consists of: one frozen description, in Python or in TOML."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from deepfake_generalize._system.paths import absolute
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment import toml
from deepfake_generalize.study.experiment.schedules import DEMO_SCHEDULES, Analysis, Schedule
from deepfake_generalize.study.protocol import (
    PAPER_ARCHITECTURES,
    SOURCES,
    Sizes,
    architecture_facts,
)
from deepfake_generalize.validation import MAX_PIXELS, check_choice, check_whole

_MOST_THREADS = 1024
CONFIG = "config.toml"
"""Its file in a run folder."""
DataKind = Literal["synthetic", "videos"]

FINDERS = ("mediapipe", "cascade")
ALIGNERS = ("landmarks", "short-range", "finder")
ROOTS = ("faceforensics", "celebdf_v2", "celebdf_v1")
"""The data sets of `paper`: FaceForensics++ (with DeepFakeDetection in it), Celeb-DF v2 and v1."""


@dataclass(frozen=True)
class StudyConfig:
    """A whole study: data, detectors, recipes, analyses and the seed.

    Attributes:
        name: What the report calls it.
        data: "synthetic" renders the embedded faces, "videos" reads the data sets in `roots`.
        roots: Data set's name (see `ROOTS`) to its folder, for "videos".
        image_size: Side of the crops and of every network's input in pixels.
        frames_per_video: Frames of a fake video, for "videos".
        frames_per_real_video: The same of a real one: there are fewer of them.
        sizes: Images in each split.
        architectures: Which of the five.
        sources: Which of CELEB and F2F the detectors are trained on.
        schedules: Architecture to how its training leaves the paper's recipe.
        analysis: How much the analyses look at.
        finder: What finds faces in videos: "mediapipe" or "cascade".
        aligner: What finds their eyes, as in `data.extract_faces`.
        threads: Processor threads that a family computes with, in processes of its own; the same
            seed then gives the same figures on one machine however many families run at a time.
            None: all threads, in the process that calls `run` or in joblib's.
        seed: Everything random follows from it: faces or splits, the few-shot mix, which images are
            analysed, resamples, and the training of `training_seeds`' default.
        few_shot_originals: Images of the source in the few-shot mix: "trained_on" by the original,
            as in the paper's scripts, or "held_back" from its training.
        training_seeds: One for each training of every detector, all on the same data: of initial
            weights and order. Numbers are then means over them. Empty: one training, by `seed`.
        follows: Where the paper and its scripts differ, which of them; see `as_scripts`.

    Examples:
        >>> config = StudyConfig.demo(quick=True)
        >>> config.architectures, len(config.families), config.is_synthetic
        (('mesonet',), 2, True)
    """

    name: str = "study"
    data: DataKind = "videos"
    roots: Mapping[str, str] = field(default_factory=dict)
    image_size: int = 256
    frames_per_video: int = 14
    frames_per_real_video: int = 20
    sizes: Sizes = field(default_factory=Sizes)
    architectures: tuple[str, ...] = tuple(PAPER_ARCHITECTURES)
    sources: tuple[str, ...] = tuple(SOURCES)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    analysis: Analysis = field(default_factory=Analysis)
    finder: str = "mediapipe"
    aligner: str = "landmarks"
    threads: int | None = None
    seed: int = 0
    few_shot_originals: Literal["trained_on", "held_back"] = "trained_on"
    training_seeds: tuple[int, ...] = ()
    follows: Literal["paper", "scripts"] = "paper"

    def __post_init__(self) -> None:
        """Refuse what no study can be made of."""
        check_choice("data", self.data, get_args(DataKind))
        check_choice("few_shot_originals", self.few_shot_originals, ("trained_on", "held_back"))
        check_choice("follows", self.follows, ("paper", "scripts"))
        check_choice("finder", self.finder, FINDERS)
        check_choice("aligner", self.aligner, ALIGNERS)
        for name in ("frames_per_video", "frames_per_real_video"):
            check_whole(name, getattr(self, name), least=1)
        check_whole("image_size", self.image_size, least=1, most=math.isqrt(MAX_PIXELS))
        object.__setattr__(self, "seed", check_whole("seed", self.seed, least=0))
        of_training = [check_whole("training_seeds", one, least=0) for one in self.training_seeds]
        if len(set(of_training)) < len(of_training):
            raise InputError(
                f"expected training_seeds that differ, received {of_training}.",
                hint="Equal seeds give equal detectors.",
            )
        object.__setattr__(self, "training_seeds", tuple(of_training))
        if self.threads is not None:
            hint = "Leave it out for all processors."
            check_whole("threads", self.threads, least=1, most=_MOST_THREADS, hint=hint)
        for name in self.sources:
            check_choice("sources", name, SOURCES)
        for name in self.roots:
            check_choice("roots", name, ROOTS)
        if not self.architectures or not self.sources:
            raise InputError("expected at least one architecture and one source, received none.")
        for name in (*self.architectures, *self.schedules):
            smallest = architecture_facts(name).smallest_side
            if name in self.architectures and self.image_size < smallest:
                raise InputError(
                    f"expected image_size of at least {smallest} for {name}, received "
                    f"{self.image_size}.",
                    hint=f"Leave {name} out, or use larger crops.",
                )
        # Plain dictionaries of its own: a frozen value does not change with the caller's.
        object.__setattr__(self, "roots", dict(self.roots))
        object.__setattr__(self, "schedules", dict(self.schedules))

    @property
    def is_synthetic(self) -> bool:
        """Whether the faces are synthetic rather than filmed."""
        return self.data == "synthetic"

    @property
    def families(self) -> tuple[tuple[str, str], ...]:
        """(architecture, source) of each group of congenetic detectors."""
        return tuple((name, source) for name in self.architectures for source in self.sources)

    @property
    def trainings(self) -> tuple[int, ...]:
        """The seed of each training of every detector."""
        return self.training_seeds or (self.seed,)

    @property
    def sha256(self) -> str:
        """Hash of every setting but the name; where the data lie has no part in it."""
        kept = dataclasses.asdict(self)
        del kept["name"], kept["roots"]
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    @classmethod
    def paper(cls, roots: Mapping[str, str | Path], *, seed: int = 0) -> StudyConfig:
        """Return the paper's own study; only the data sets' folders are missing.

        Args:
            roots: Where FaceForensics++ with DeepFakeDetection ("faceforensics"), Celeb-DF v2
                ("celebdf_v2") and v1 ("celebdf_v1") lie, each as downloaded.
            seed: Everything random follows from it.

        Raises:
            InputError: A root is missing or unknown.

        Reproduction notes:
            Sections III-B and III-C: 16,000 training and 2,000 test images, 2,000 + 2,000 for
            fine-tuning, 100 and 50 epochs. The paper takes ten frames a video; these do not give
            the real images of CELEB (890 videos) nor the fakes of F2F (1,000 videos, some of them
            kept for FS, NT and DF) that its sizes ask for, so fakes give 14 frames here and reals
            20. The validation split's size is not printed: 2,000 is ours.

        Examples:
            >>> roots = {"faceforensics": "ff", "celebdf_v2": "v2", "celebdf_v1": "v1"}
            >>> StudyConfig.paper(roots).sizes.train
            16000
        """
        missing = [name for name in ROOTS if name not in roots]
        if missing:
            raise InputError(
                f"expected the folders of {', '.join(ROOTS)}, {', '.join(missing)} missing.",
                hint="Give each data set's folder as downloaded.",
            )
        return cls(
            name="paper",
            data="videos",
            roots={name: str(Path(root).absolute()) for name, root in roots.items()},
            seed=seed,
        )

    @classmethod
    def demo(cls, *, quick: bool = False, seed: int = 0) -> StudyConfig:
        """Return the study of the embedded synthetic faces, which runs offline in minutes.

        Args:
            quick: One architecture only, MesoNet.
            seed: Everything random follows from it, the faces too.

        Reproduction notes:
            Far smaller than the paper's study, with the shorter recipes of `schedules`; it shows
            how the study works, and is no evidence about real deepfakes.

        Examples:
            >>> StudyConfig.demo().sizes.train < StudyConfig().sizes.train
            True
        """
        return cls(
            name="demo (quick)" if quick else "demo",
            data="synthetic",
            image_size=72,
            sizes=Sizes(
                train=800,
                val=200,
                test=200,
                few_shot_original=200,
                few_shot_unseen=400,
                few_shot_val=100,
            ),
            architectures=("mesonet",) if quick else tuple(PAPER_ARCHITECTURES),
            schedules=DEMO_SCHEDULES,
            # One network on shuffled labels, not three, and briefly: it is shown, not tested.
            analysis=Analysis(
                heat_map_fakes=60, causal_images=200, shuffled_controls=1, shuffled_epochs=3
            ),
            threads=1,
            seed=seed,
        )

    def as_scripts(self) -> StudyConfig:
        """Return the same study, done as the paper's public scripts do it where the paper differs.

        Recipes are the scripts' (`models.Recipe.as_scripts`), with what `schedules` change; dropout
        is active in the layers that transfer leaves frozen; heat maps are without a ReLU, of the
        network's first output (P(real) of one sigmoid unit, P(fake) of two columns), and compared
        over the photograph, in the scripts' colours; causal effects are on the output, whatever
        the label.

        Reproduction notes:
            What stays as in the paper, or as here: faces, splits and sizes; batch norm in frozen
            layers uses its stored statistics, where the scripts' TensorFlow 1 took the batch's;
            images of the mix come in one shuffled order, where the scripts go through the whole
            trees of original and new images in turn; Figure 2's maps show what speaks for "fake".

        Examples:
            >>> StudyConfig.demo().as_scripts().follows
            'scripts'
        """
        return dataclasses.replace(self, follows="scripts")

    @classmethod
    def from_toml(cls, path: str | Path) -> StudyConfig:
        """Read a configuration.

        Args:
            path: A TOML file as `to_toml` writes it; what it leaves out has its default. Relative
                roots are relative to its folder.

        Raises:
            InputError: No such file, not TOML, an unknown setting, a value of the wrong kind.
        """
        file = absolute(path)
        config: StudyConfig = toml.build(cls, toml.load(file), str(file))
        roots = {name: str(file.parent / root) for name, root in config.roots.items()}
        return dataclasses.replace(config, roots=roots)

    def to_toml(self) -> str:
        """Write the configuration as TOML, which `from_toml` reads back to an equal one."""
        return toml.dumps(dataclasses.asdict(self))


def check_roots(config: StudyConfig) -> None:
    """Raise `InputError` unless the data sets of a study on videos are where its roots say."""
    if config.is_synthetic:
        return
    missing = [name for name in ROOTS if name not in config.roots]
    if missing:
        raise InputError(
            f"expected the folders of {', '.join(ROOTS)} as roots, received none for "
            f"{', '.join(missing)}.",
            hint="Enter them under [roots]: `study --write-config` writes a file that has it.",
        )
    for name in ROOTS:
        if not Path(config.roots[name]).exists():
            raise InputError(
                f"expected the data set {name} at {str(config.roots[name])!r}, nothing is there.",
                hint="Enter its folder under [roots].",
            )
