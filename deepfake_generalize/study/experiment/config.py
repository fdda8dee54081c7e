"""What a study consists of: one frozen description, in Python or TOML, and where its data lie."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from deepfake_generalize import data
from deepfake_generalize._system.files import absolute
from deepfake_generalize.data.assets import find_detector
from deepfake_generalize.data.layouts import is_video_name
from deepfake_generalize.data.manifests import split_query
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment import toml
from deepfake_generalize.study.experiment.schedules import DEMO_SCHEDULES, Analysis, Schedule
from deepfake_generalize.study.facts import (
    PAPER_ARCHITECTURES,
    ZERO_SHOT,
    Sizes,
    architecture_facts,
    short_name,
)
from deepfake_generalize.study.protocol import PAPER, PROTOCOLS, Protocol, Source
from deepfake_generalize.validation import (
    MAX_PIXELS,
    Problems,
    about,
    check_choice,
    check_type,
    check_whole,
)

_MOST_THREADS = 1024
_FILE = re.compile(r".+\.(py:\w+|keras|onnx)(\[[^]]*\])?")
"""What names a file of code, or one that holds a network."""
CONFIG = "config.toml"
"""Its file in a run folder."""
FINDERS = ("mediapipe", "cascade")
ALIGNERS = ("landmarks", "short-range", "finder")
SYNTHETIC = "synthetic"
ROOTS = ("faceforensics", "celebdf_v2", "celebdf_v1")
"""The data sets of `paper`: FaceForensics++ (with DeepFakeDetection in it), Celeb-DF v2 and v1."""
_CHOICES = {
    "few_shot_originals": ("trained_on", "held_back"),
    "follows": ("paper", "scripts"),
    "finder": FINDERS,
    "aligner": ALIGNERS,
}
_LAYOUTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "faceforensics": ("faceforensics", {"compression": "c23"}),
    "celebdf_v2": ("celebdf", {"version": "v2"}),
    "celebdf_v1": ("celebdf", {"version": "v1"}),
}
"""What is known of an entry by its name; other videos are recognised by their places."""
_PICTURES = (".png", ".jpg", ".jpeg", ".csv", ".h5", ".hdf5")


@dataclass(frozen=True)
class StudyConfig:
    """A whole study: what is asked, data, detectors, recipes and the seed.

    Attributes:
        name: What the report calls it.
        protocol: What is asked: the sets, and which are trained on. A `Protocol`, or the name of
            one of `PROTOCOLS`.
        data: "synthetic" for the embedded faces; or the protocol's names (its sets, or what they
            are part of) to where each lies: crops, as `data.read_set` takes them, or a folder of
            videos, whose faces are cut. Both may end in a query, "crops[method=FaceSwap]".
        architectures: The networks to train: names of `models.ARCHITECTURES`, or builders of yours
            by reference, "path/to/file.py:build", called with (H, W, 3). May be empty.
        detectors: Name to a finished detector by reference, as `models.load_detector` takes it:
            measured beside those that are trained, for every source.
        image_size: Side of the crops and of every network's input in pixels.
        sources: Which of the protocol's sources; empty for all.
        schedules: Architecture to how its training leaves the paper's recipe (a builder of yours:
            MesoNet's).
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
        zero_shot: Which architectures are trained as the kinds that see the source alone, such as
            "paired", too, where they are trained at all; empty for all.
        follows: Where the paper and its scripts differ, which of them; see `as_scripts`.

    Raises:
        InputError: All that is wrong with it, in one message.

    Examples:
        >>> config = StudyConfig.demo(quick=True)
        >>> config.architectures, len(config.families), config.is_synthetic
        (('mesonet',), 2, True)
    """

    name: str = "study"
    protocol: Protocol = PAPER
    data: str | Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[str, ...] = tuple(PAPER_ARCHITECTURES)
    detectors: Mapping[str, str] = field(default_factory=dict)
    image_size: int = 256
    sources: tuple[str, ...] = ()
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    analysis: Analysis = field(default_factory=Analysis)
    finder: str = "mediapipe"
    aligner: str = "landmarks"
    threads: int | None = None
    seed: int = 0
    few_shot_originals: Literal["trained_on", "held_back"] = "trained_on"
    training_seeds: tuple[int, ...] = ()
    zero_shot: tuple[str, ...] = ()
    follows: Literal["paper", "scripts"] = "paper"

    def __post_init__(self) -> None:
        """Refuse what no study can be made of."""
        object.__setattr__(self, "protocol", _protocol(self.protocol))
        problems = Problems()
        for name, choices in _CHOICES.items():
            with problems:
                check_choice(name, getattr(self, name), choices)
        with problems:
            check_whole("image_size", self.image_size, least=1, most=math.isqrt(MAX_PIXELS))
        with problems:
            object.__setattr__(self, "seed", check_whole("seed", self.seed, least=0))
        with problems:
            self._set_training_seeds()
        if self.threads is not None:
            hint = "Leave it out for all processors."
            with problems:
                check_whole("threads", self.threads, least=1, most=_MOST_THREADS, hint=hint)
        if isinstance(self.data, str) and self.data != SYNTHETIC:
            problems.add(
                f"expected data to be {SYNTHETIC!r} or names to places, received {self.data!r}."
            )
        for argument, names, known in (
            ("sources", self.sources, self.protocol.sources),
            ("zero_shot", self.zero_shot, (*self.architectures, *PAPER_ARCHITECTURES)),
            ("data", () if isinstance(self.data, str) else self.data, needed(self.protocol)),
        ):
            for name in names:
                with problems:
                    check_choice(argument, name, known)
        if not (*self.architectures, *self.detectors):
            problems.add("expected at least one architecture or detector, received none.")
        self._check_networks(problems)
        problems.tell("the configuration")
        # Plain dictionaries of its own: a frozen value does not change with the caller's.
        for name in ("data", "schedules", "detectors"):
            given = getattr(self, name)
            object.__setattr__(self, name, given if isinstance(given, str) else dict(given))
        object.__setattr__(self, "sources", tuple(self.sources or self.protocol.sources))

    def _set_training_seeds(self) -> None:
        found = [check_whole("training_seeds", one, least=0) for one in self.training_seeds]
        if len(set(found)) < len(found):
            raise InputError(
                f"expected training_seeds that differ, received {found}.",
                hint="Equal seeds give equal detectors.",
            )
        object.__setattr__(self, "training_seeds", tuple(found))

    def _check_networks(self, problems: Problems) -> None:
        for name in dict.fromkeys((*self.architectures, *self.schedules)):
            with problems:
                facts = architecture_facts(name)
                if name in self.architectures and self.image_size < facts.smallest_side:
                    problems.add(
                        f"expected image_size of at least {facts.smallest_side} for {name}, "
                        f"received {self.image_size}.",
                        hint=f"Leave {name} out, or use larger crops.",
                    )
                schedule, kinds = (
                    self.schedules.get(name, Schedule()),
                    {*self.protocol.fine_tunings},
                )
                asked = name in (self.zero_shot or self.architectures)
                paired = schedule.pairing or (asked and kinds & {"paired", "self-blended"})
                if paired and (schedule.batch_size or 0) % 2:
                    problems.add(
                        f"expected an even batch_size of {name} with pairs, received "
                        f"{schedule.batch_size}."
                    )
                focused = name in self.architectures and "focus" in self.protocol.fine_tunings
                if focused and not facts.has_hidden_neurons:
                    problems.add(f"expected networks with neurons to focus, {name} has none.")
        tuned = bool(self.protocol.tuned)
        for part, size in dataclasses.asdict(self.protocol.sizes).items():
            if self.architectures and not size and (tuned or not part.startswith("few_shot")):
                problems.add(f"expected {part} of at least 2 images to train with, received 0.")
        titles = [short_name(name) for name in self.architectures]
        for name in (*titles, *self.detectors):
            if not re.fullmatch(r"[\w.+-]([\w.+ -]*[\w.+-])?", name):
                problems.add(
                    f"expected names of detectors that a file can have, received {name!r}."
                )
        clashing = [name for name in titles if titles.count(name) > 1 or name in self.detectors]
        if clashing:
            problems.add(
                f"expected networks and detectors of different names, received {clashing}."
            )

    @property
    def is_synthetic(self) -> bool:
        """Whether the faces are drawn by this study."""
        return self.data == SYNTHETIC

    @property
    def places(self) -> Mapping[str, str]:
        """Where the data lie; nowhere where they are drawn."""
        return {} if isinstance(self.data, str) else self.data

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
        """Hash of every setting but the name; where data and networks lie has no part in it."""
        kept = _with_references(dataclasses.asdict(self), lambda reference: Path(reference).name)
        del kept["name"]
        if not self.is_synthetic:
            kept["data"] = {name: split_query(place)[1] for name, place in self.places.items()}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    @classmethod
    def paper(cls, roots: Mapping[str, str | Path], *, seed: int = 0) -> StudyConfig:
        """Return the paper's own study; only the data sets' folders are missing.

        Args:
            roots: Where FaceForensics++ with DeepFakeDetection ("faceforensics"), Celeb-DF v2
                ("celebdf_v2") and v1 ("celebdf_v1") lie, each as downloaded.
            seed: Everything random follows from it.

        Raises:
            InputError: A data set is missing or unknown.

        Reproduction notes:
            Sections III-B and III-C: 16,000 training and 2,000 test images, 2,000 + 2,000 for
            fine-tuning, 100 and 50 epochs. The paper takes ten frames a video; these do not give
            the real images of CELEB (890 videos) nor the fakes of F2F (1,000 videos, some of them
            kept for FS, NT and DF) that its sizes ask for, so fakes give 14 frames here and reals
            20. The validation split's size is not printed: 2,000 is ours.

        Examples:
            >>> roots = {"faceforensics": "ff", "celebdf_v2": "v2", "celebdf_v1": "v1"}
            >>> StudyConfig.paper(roots).protocol.sizes.train
            16000
        """
        missing = [name for name in ROOTS if name not in roots]
        if missing:
            raise InputError(
                f"expected the folders of {', '.join(ROOTS)}, {', '.join(missing)} missing.",
                hint="Give each data set's folder as downloaded.",
            )
        places = {name: str(Path(root).absolute()) for name, root in roots.items()}
        return cls(name="paper", data=places, seed=seed)

    @classmethod
    def demo(cls, *, quick: bool = False, seed: int = 0) -> StudyConfig:
        """Return the study of the embedded synthetic faces, which runs offline in minutes.

        Args:
            quick: One architecture only, MesoNet, and no zero-shot kinds.
            seed: Everything random follows from it, the faces too.

        Reproduction notes:
            Far smaller than the paper's study, with the shorter recipes of `schedules`; it shows
            how the study works, and is no evidence about real deepfakes.

        Examples:
            >>> StudyConfig.demo().protocol.sizes.train < StudyConfig().protocol.sizes.train
            True
        """
        sizes = Sizes(
            train=600,
            val=100,
            test=100,
            few_shot_original=200,
            few_shot_unseen=400,
            few_shot_val=100,
        )
        kinds = PAPER.fine_tunings if quick else (*PAPER.fine_tunings, *ZERO_SHOT)
        return cls(
            name="demo (quick)" if quick else "demo",
            protocol=dataclasses.replace(PAPER, sizes=sizes, fine_tunings=kinds),
            data=SYNTHETIC,
            image_size=72,
            architectures=("mesonet",) if quick else tuple(PAPER_ARCHITECTURES),
            zero_shot=("mesonet",),
            schedules=DEMO_SCHEDULES,
            # One network on shuffled labels, not three, and briefly: it is shown, not tested.
            analysis=Analysis(
                heat_map_fakes=20, causal_images=100, shuffled_controls=1, shuffled_epochs=1
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
            path: A TOML file as `to_toml` writes it; what it leaves out has its default. `protocol`
                is the name of one of `PROTOCOLS`, or a table: with sources a protocol of its own,
                else one of them, named by `like`, with other settings. Relative places of data,
                networks and detectors are relative to the file's folder.

        Raises:
            InputError: No such file, not TOML, or all that is wrong: unknown settings, values of
                the wrong kind, what no study can be made of.
        """
        file = absolute(path)
        return cls._read(toml.load(file), file.parent, str(file))

    def to_toml(self) -> str:
        """Write the configuration as TOML, which `from_toml` reads back to an equal one."""
        return toml.dumps(dataclasses.asdict(self))

    def absolute(self) -> StudyConfig:
        """Return the same with every place absolute, as from the working directory."""
        return self._read(tomllib.loads(self.to_toml()), Path.cwd(), self.name)

    @classmethod
    def _read(cls, values: dict[str, Any], folder: Path, where: str) -> StudyConfig:
        """Build a configuration of plain values; what they name lies in a folder."""
        problems = Problems()
        values = _with_references(values, lambda reference: str(folder / reference))
        if isinstance(data := values.get("data"), dict):
            values["data"] = {
                name: str(folder / place) if isinstance(place, str) else place
                for name, place in data.items()
            }
        if "protocol" in values:
            given = values.pop("protocol")
            with problems:
                values["protocol"] = _read_protocol(given)
            if problems.found:  # Sets can be told where these alone are right.
                kept = ("like", "sources", "sets")
                with contextlib.suppress(InputError, AttributeError):
                    part = {name: given[name] for name in kept if name in given}
                    values["protocol"] = _read_protocol(part)
                if "protocol" not in values:  # Nor can names of sets be told.
                    values = {**values, "data": {}, "sources": []}
        with problems:
            config: StudyConfig = toml.build(cls, values, where)
        if problems.found:
            places, detectors = _texts(values.get("data")), _texts(values.get("detectors"))
            names = needed(values.get("protocol", PAPER)) if places else ()
            look_at(names, places, detectors.values(), problems)
        problems.tell(where)
        return config


def _protocol(given: Protocol | str) -> Protocol:
    if isinstance(given, str):
        given = PROTOCOLS[check_choice("protocol", given, PROTOCOLS)]
    return check_type("protocol as study.Protocol or the name of one", given, Protocol)


def _read_protocol(given: object) -> Protocol:
    """Read a protocol of a file: a name, a whole table, or what differs from one of `PROTOCOLS`."""
    if isinstance(given, str):
        return _protocol(given)
    table = dict(check_type("protocol to be a name or a table of settings", given, dict))
    like = table.pop("like", None if "sources" in table else "paper")
    base = None if like is None else _protocol(like)
    if base is not None and "sources" in table and "sets" not in table:
        sources = toml.build(Mapping[str, Source], table["sources"], "sources")
        names = Protocol(sources).names
        table["sets"] = {name: place for name, place in base.sets.items() if name in names}
    built: Protocol = toml.build(Protocol, table, "protocol", base)
    return built


def _texts(given: object) -> dict[str, str]:
    pairs = given.items() if isinstance(given, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def needed(protocol: Protocol) -> tuple[str, ...]:
    """Return the entries of `data` that a protocol's sets are made of."""
    entries = (str(split_query(protocol.place_of(name))[0]) for name in protocol.names)
    return tuple(dict.fromkeys(entries))


def _with_references(values: Any, change: Callable[[str], str]) -> Any:
    """Return plain values with what names a file of code or a network changed, keys too."""
    if isinstance(values, dict):
        return {
            _with_references(key, change): _with_references(value, change)
            for key, value in values.items()
        }
    if isinstance(values, list | tuple):
        return [_with_references(value, change) for value in values]
    return change(values) if isinstance(values, str) and _FILE.fullmatch(values) else values


@dataclass(frozen=True)
class Entry:
    """An entry of a study's `data`: its name, and its crops or `videos`, a row each."""

    name: str
    rows: pd.DataFrame
    videos: bool


def sets_of(protocol: Protocol, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows of each set, of tables by the entries' names."""
    return {name: part_of(protocol.place_of(name), tables) for name in protocol.names}


def part_of(place: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows that a set's place chooses."""
    entry, query = split_query(place)
    table = tables[str(entry)]
    return table if query is None else data.select(table, query)


def read_entry(name: str, place: str) -> Entry:
    """Read an entry: crops, or a folder of videos."""
    root, query = split_query(place)
    if not _holds_videos(root):
        return Entry(name, data.read_set(place), videos=False)
    layout, choices = _LAYOUTS.get(name, ("auto", {}))
    videos = data.find_videos(root, layout=layout, **choices)
    return Entry(name, videos if query is None else data.select(videos, query), videos=True)


def _holds_videos(root: Path) -> bool:
    """Tell a folder of videos from crops by the first file that is one or the other."""
    if not root.is_dir():
        return False
    for _, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            if is_video_name(name) or name.lower().endswith(_PICTURES):
                return is_video_name(name)
    return False


def look_at(
    names: Iterable[str],
    places: Mapping[str, str],
    references: Iterable[str],
    problems: Problems,
) -> dict[str, Entry]:
    """Return the entries of these names, noting what is not at its place, and no detector."""
    entries = {}
    for name in names:
        place, hint = places.get(name, ""), "Enter it under [data] (docs: guides/running-a-study)."
        if not place:
            problems.add(f"expected a place of {name} in data, there is none.", hint=hint)
        elif not (root := split_query(place)[0]).exists():
            problems.add(f"expected {name} at {str(root)!r}, nothing is there.", hint=hint)
        else:
            with problems, about(name):
                entries[name] = read_entry(name, place)
    for reference in references:
        with problems:
            find_detector(reference)
    return entries
