"""A protocol: what is trained on, what is tested on, and what the sets share with each other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

import pandas as pd

from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.facts import NULL_SET, ORIGINAL, Sizes, check_set_name, fine_tuning
from deepfake_generalize.study.render import METRIC_TITLES
from deepfake_generalize.validation import Problems, check_choice, check_type, check_whole, describe

Sharing = Literal["method", "people", "nothing"]
ANALYSES = ("heat maps", "causal")
_FILE_NAME = re.compile(r"[^/\\:*?\"<>|\[\]\s]([^/\\:*?\"<>|\[\]]*[^/\\:*?\"<>|\[\]\s])?")
_FF = "faceforensics"
_METHODS = {"DF": "Deepfakes", "F2F": "Face2Face", "FS": "FaceSwap", "NT": "NeuralTextures"}
_PAPER_UNSEEN = ("FS", "NT", "DF", "DFD")
TABLE_SHARES: Mapping[str, Sharing] = MappingProxyType({"VI": "method", "VII": "people"})
"""Table to what its specialized sets share with their source."""
_KINDS = {"identity": "People", "video": "Videos", "near_duplicate": "Lookalike pairs"}
"""Kind of a finding of the audit to the column that counts it."""
_CLIPS = ("identity", "video", "near_duplicate")
_FRAMES = ("identity", "video", "frame", "near_duplicate")
# Pairs of parts that share, for one reason, what the audit would call leaks.
_DESIGNS = (
    (
        "Table VII asks whether known people make it easier",
        _CLIPS,
        (("F2F train", "FS-I test"), ("F2F train", "NT-I test")),
    ),
    (
        "the few-shot images: the same people under two methods",
        _CLIPS,
        (("FS train", "NT train"), ("FS val", "NT val")),
    ),
    (
        "the same people under several methods, so that only the method differs",
        _FRAMES,
        (
            ("FS-I test", "NT-I test"),
            *itertools.combinations(("FS test", "NT test", "DF test"), 2),
        ),
    ),
    (
        "Table VI asks about the method: other clips, of the same people",
        ("identity",),
        tuple((f"CELEB {part}", "CELEB-M test") for part in SUBSETS),
    ),
)
_REASON = {pair: reason for reason, _, pairs in _DESIGNS for pair in pairs}
_ANY = "the protocol says so: sets of one part, or a test of people who are trained on"


@dataclass(frozen=True)
class Source:
    """A set that detectors come from, and the sets made to ask what they learned from it.

    Attributes:
        unseen: The sets that degradation is about.
        few_shot: Those of them of which fine-tuning is shown a few images.
        specialized: Further sets to what they share with the source: "method", as in the paper's
            Table VI, "people", as in Table VII, or "nothing": they are measured and in no table.
    """

    unseen: tuple[str, ...]
    few_shot: tuple[str, ...] = ()
    specialized: Mapping[str, Sharing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse sets that are not there, or come twice."""
        for name in ("unseen", "few_shot"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        object.__setattr__(self, "specialized", _mapping("specialized", self.specialized))
        names = (*self.unseen, *self.specialized)
        if not self.unseen or len(set(names)) < len(names):
            raise InputError(
                f"expected at least one unseen set and each name once, received {list(names)}."
            )
        for name in self.few_shot:
            check_choice("few_shot", name, self.unseen, hint="Few-shot sets are unseen sets too.")
        for name, shares in self.specialized.items():
            check_choice(f"what {name} shares with its source", shares, get_args(Sharing))

    def sharing(self, what: Sharing) -> tuple[str, ...]:
        """Return the specialized sets that share this with the source."""
        return tuple(name for name, shares in self.specialized.items() if shares == what)


@dataclass(frozen=True)
class Protocol:
    """What a study asks: which sets are trained on, which are tested on, what is analysed.

    A set is an entry of the configuration's `data` under its own name, or what `sets` says.

    Attributes:
        sources: The sets that detectors come from (networks are trained on them) and that
            degradation is counted from, each with the sets to ask what was learnt.
        sets: Set's name to the entry of `data` that it is part of, with a query where it is not
            all of it: "faceforensics[method=FaceSwap]". Sets of one entry are split together.
        splits: "people": nobody who is in what is trained on is in a test, except as `specialized`
            says; "official": the same, and where a set's column `split` names a test part, each row
            stays in its part (people of several parts in the last of them, the rest is dropped with
            a reason); "paper": the paper's nine sets, as `study_sets` makes them.
        sizes: Images of each set.
        frames_per_video: Frames of a fake video, where faces are cut.
        frames_per_real_video: The same of a real one: there are fewer of them.
        metric: What the tables are in besides accuracy, as in `Study.table`.
        units: "frame", "video" or both: what the tables are over.
        analyses: "heat maps" (Figures 2 and 3) and "causal" (Figure 5).
        fine_tunings: Kinds of detectors for each network and source, the first "none"; the others
            are "transfer", "merge" and "focus", as in `augment`; "paired" and "augmented", which
            see the source alone, as the original does, and are trained as it is but with pairing,
            or augmentation ("deepfakebench"); "self-blended", which sees the source's reals and
            blends of them (`augment.self_blend`) in place of its fakes; or a function of yours as
            "path/to/file.py:name", called with detector, train and val.

    Raises:
        InputError: All that is wrong with it, in one message.

    Examples:
        >>> mine = Protocol({"home": Source(unseen=("abroad", "elsewhere"))})
        >>> mine.unseen, PROTOCOLS["paper"].unseen
        (('abroad', 'elsewhere'), ('FS', 'NT', 'DF', 'DFD'))
    """

    sources: Mapping[str, Source]
    sets: Mapping[str, str] = field(default_factory=dict)
    splits: Literal["official", "people", "paper"] = "official"
    sizes: Sizes = field(default_factory=Sizes)
    frames_per_video: int = 14
    frames_per_real_video: int = 20
    metric: str = "accuracy"
    units: tuple[Literal["frame", "video"], ...] = ("frame",)
    analyses: tuple[str, ...] = ANALYSES
    fine_tunings: tuple[str, ...] = (ORIGINAL,)

    def __post_init__(self) -> None:
        """Refuse what no study can be made of."""
        # Plain values of its own: a frozen value does not change with the caller's.
        problems = Problems()
        for name in ("sources", "sets"):
            with problems:
                object.__setattr__(self, name, _mapping(name, getattr(self, name)))
        for name in ("units", "analyses", "fine_tunings"):
            with problems:
                object.__setattr__(self, name, _names(name, getattr(self, name)))
        for name, source in self.sources.items() if isinstance(self.sources, Mapping) else ():
            with problems:
                check_type(f"the source {name} to be a study.Source", source, Source)
        problems.tell("the protocol")  # Of other kinds nothing else can be told.
        chosen = (
            ("splits", ("official", "people", "paper"), (self.splits,)),
            ("metric", METRIC_TITLES, (self.metric,)),
            ("units", ("frame", "video"), self.units),
            ("analyses", ANALYSES, self.analyses),
            ("sets", self.names, self.sets),
        )
        for name, choices, given in chosen:
            for each in given:
                with problems:
                    check_choice(name, each, choices)
        for name in ("frames_per_video", "frames_per_real_video"):
            with problems:
                check_whole(name, getattr(self, name), least=1)
        if not self.units or not self.sources:
            problems.add("expected at least one source and one unit, received none.")
        for name in self.names:
            with problems:
                check_set_name(name)
            if not _FILE_NAME.fullmatch(name):
                problems.add(f"expected names of sets that a file can have, received {name!r}.")
        self._check_fine_tunings(problems)
        problems.tell("the protocol")

    def __repr__(self) -> str:
        """Say its name where it has one: signatures and configurations are to be read."""
        for name, known in PROTOCOLS.items():
            if known == self:
                return f"PROTOCOLS[{name!r}]"
        return (
            f"Protocol({', '.join(f'{of.name}={getattr(self, of.name)!r}' for of in fields(self))})"
        )

    def _check_fine_tunings(self, problems: Problems) -> None:
        first, *others = self.fine_tunings or ("",)
        if first != ORIGINAL or len(set(self.fine_tunings)) < len(self.fine_tunings):
            given = list(self.fine_tunings)
            problems.add(
                f"expected fine_tunings that begin with {ORIGINAL!r}, each once, received {given}."
            )
        for kind in others:
            with problems:
                if fine_tuning(kind).sees == "few-shot":
                    for name, source in self.sources.items():
                        if not source.few_shot:
                            problems.add(
                                f"expected few-shot sets of {name} for {kind}, it has none."
                            )

    @property
    def unseen(self) -> tuple[str, ...]:
        """The unseen sets of all sources, each once."""
        return _once(name for source in self.sources.values() for name in source.unseen)

    @property
    def few_shot(self) -> tuple[str, ...]:
        """The few-shot sets of all sources, each once."""
        return _once(name for source in self.sources.values() for name in source.few_shot)

    @property
    def tuned(self) -> tuple[str, ...]:
        """The kinds that are fine-tuned from the original, on a few-shot mix."""
        return tuple(k for k in self.fine_tunings if fine_tuning(k).sees == "few-shot")

    @property
    def names(self) -> tuple[str, ...]:
        """All sets: sources, unseen ones, specialized ones."""
        special = (name for source in self.sources.values() for name in source.specialized)
        return _once((*self.sources, *self.unseen, *special))

    def sharing(self, what: Sharing) -> tuple[str, ...]:
        """Return the specialized sets that share this with their source."""
        return _once(name for each in self.sources.values() for name in each.sharing(what))

    def test_sets(self, source: str) -> tuple[str, ...]:
        """Return the sets that a source's detectors are measured on, its own first."""
        facts = self.sources[source]
        return (source, *facts.unseen, *facts.specialized, NULL_SET)

    def place_of(self, name: str) -> str:
        """Return the entry of `data`, and a query or none, that a set is made of."""
        return self.sets.get(name, name)


def _mapping(what: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InputError(f"expected {what} to be a mapping, received {describe(given)}.")
    return dict(given)


def _names(what: str, given: object) -> tuple[str, ...]:
    """Return several names as a tuple; one text would be taken for its letters."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        hint = "Write one name as a tuple too: ('name',)."
        raise InputError(f"expected {what} as names, received {given!r}.", hint=hint)
    return tuple(given)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _but(left_out: str) -> str:
    return f"without {left_out}"


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "paper": Protocol(
            {
                "CELEB": Source(_PAPER_UNSEEN, ("FS", "NT"), {"CELEB-M": "method"}),
                "F2F": Source(_PAPER_UNSEEN, ("FS", "NT"), {"FS-I": "people", "NT-I": "people"}),
            },
            sets={
                "CELEB": "celebdf_v2",
                "CELEB-M": "celebdf_v1",
                "DFD": f"{_FF}[dataset=DFD]",
                **{name: f"{_FF}[method={method}]" for name, method in _METHODS.items()},
                **{f"{name}-I": f"{_FF}[method={_METHODS[name]}]" for name in ("FS", "NT")},
            },
            splits="paper",
            fine_tunings=(ORIGINAL, "transfer", "merge"),
        ),
        "cross-dataset": Protocol(
            {"FF++": Source(("Celeb-DF-v2", "DFD", "DFDC", "DFDC-preview"))},
            sets={
                "FF++": f"{_FF}[compression=c23,dataset=FF++]",
                "Celeb-DF-v2": "celebdf_v2",
                "DFD": f"{_FF}[compression=c23,dataset=DFD]",
                "DFDC": "dfdc",
                "DFDC-preview": "dfdc_preview",
            },
            frames_per_video=32,
            frames_per_real_video=32,
            metric="auc",
            units=("frame", "video"),
        ),
        "leave-one-method-out": Protocol(
            {_but(name): Source((name,)) for name in _METHODS},
            sets={
                **{name: f"{_FF}[method={method}]" for name, method in _METHODS.items()},
                **{
                    _but(name): f"{_FF}[method={'|'.join(set_of)}]"
                    for name in _METHODS
                    if (set_of := [m for other, m in _METHODS.items() if other != name])
                },
            },
            metric="auc",
            units=("frame", "video"),
        ),
    }
)
"""The paper's protocol, the field's usual one, and leaving out each method of FaceForensics++.

`cross-dataset` takes 32 frames a video, of FaceForensics++ and DFD in c23, and tells AUC over
frames and over videos (Yan et al., "DeepfakeBench", NeurIPS 2023, trains and tests so).
"""
PAPER = PROTOCOLS["paper"]
UNSEEN_SETS = PAPER.unseen
"""The unseen sets of Table V, in its order."""


def source_of(table: str) -> str:
    """Return what the detectors of the paper's Table "VI" or "VII" were trained on."""
    shares: Sharing = TABLE_SHARES[table]
    return next(name for name, source in PAPER.sources.items() if source.sharing(shares))


def shared_by_design(
    sets: Mapping[str, object], protocol: Protocol = PAPER
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Say which of a study's sets are meant to share people, for `audit_leakage`.

    Args:
        sets: What `study_sets` returned, or its parts under names such as "F2F train".
        protocol: Whose sets they are. But for the paper's splits, sets of one part may share
            all, and those specialized in the source's people also people and clips with training.

    Returns:
        Pairs of parts to what they share by design.

    Examples:
        >>> shared_by_design({"F2F train": None, "FS-I test": None})
        {('F2F train', 'FS-I test'): ('identity', 'video', 'near_duplicate')}
    """
    there: set[str] = set()
    for name, crops in sets.items():
        if isinstance(crops, Splits):
            there |= {f"{name} {part}" for part in SUBSETS if len(getattr(crops, part))}
        else:
            there.add(name)
    if protocol.splits == "paper":
        designs = {pair: kinds for _, kinds, pairs in _DESIGNS for pair in pairs}
    else:
        known = {f"{name} test" for name in protocol.sharing("people")}
        designs = {}
        for pair in itertools.combinations(sorted(there), 2):
            first, second = (name.rpartition(" ")[2] for name in pair)
            if first == second:
                designs[pair] = _FRAMES
            elif known.intersection(pair) and "train" in (first, second):
                designs[pair] = _CLIPS
    return {pair: kinds for pair, kinds in designs.items() if there.issuperset(pair)}


def shared_by_benchmark(
    original: str, unseen: Sequence[str], specialized: Sequence[str], *, training: str
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Say what the sets of any benchmark, by their names, may share: the rule of the paper's own.

    Unseen and specialized sets may share everything among themselves. A set that the original set's
    method made (CELEB-M) may share people with it and with the training data; other specialized
    sets, which Table VII is about, people and clips with the training data.
    """
    same_method = PAPER.sharing("method")
    pairs = itertools.combinations([*unseen, *specialized], 2)
    designs: dict[tuple[str, str], tuple[str, ...]] = dict.fromkeys(pairs, _FRAMES)
    for name in specialized:
        designs[training, name] = _CLIPS
        if name in same_method:
            designs[original, name] = designs[training, name] = ("identity",)
    return designs


def count_shared(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Count what each pair of sets in `audit_leakage`'s findings shares by design, by kind."""
    meant = findings[findings["by_design"].astype(bool)]
    return [
        {
            "set_a": str(a),
            "set_b": str(b),
            **{kind: int((rows["kind"] == kind).sum()) for kind in _KINDS},
        }
        for (a, b), rows in meant.groupby(["set_a", "set_b"], sort=False)
    ]


def shared_table(shared: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return what `count_shared` counted as a table, with the reason for each pair."""
    fields = ("set_a", "set_b", *_KINDS)
    rows = [
        [*(pair[field] for field in fields), _REASON.get((pair["set_a"], pair["set_b"]), _ANY)]
        for pair in shared
    ]
    return pd.DataFrame(rows, columns=["Set", "Shares with", *_KINDS.values(), "Because"])
