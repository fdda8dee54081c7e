"""The paper's four findings, each checked against a study's records by a rule that is written here.

The rules were fixed before any study was run, and know nothing of its data. They were mended since:
Finding 3 counted fakes whose heat maps are empty as alike, and knew no floor and no ceiling;
Finding 1 counted any loss above zero; Finding 2 compared across methods alone; Finding 4 looked at
chance alone, which untrained networks exceed as well. A finding holds where every interval lies on
the side that its rule asks for, does not hold where one lies on the other side, and cannot be told
where one lies on both, always with the numbers and their 95 % intervals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize import causal
from deepfake_generalize.metrics import Interval
from deepfake_generalize.metrics.comparison import holm
from deepfake_generalize.metrics.resampling import FEWEST, Replicates, Resampling, resample_means
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.facts import (
    ORIGINAL,
    PASSABLE_POINTS,
    POOR_POINTS,
    is_poor,
    short_name,
)
from deepfake_generalize.study.report.seeds import mean_accuracies, over_trainings
from deepfake_generalize.study.report.specialized import classes_apart, differences
from deepfake_generalize.types import AnyArray, DoubleArray

SMALL = 10.0
"""Degradation difference in points below which the paper speaks of little to no impact."""
_SHARED = ", but test data are shared"
_DISSIMILAR = 0.7
_LIKENESS = {
    "ssim": "mean SSIM of the maps",
    "rank_correlation": "mean rank correlation",
    "top_overlap": "mean overlap of the top tenths",
}


@dataclass(frozen=True)
class Fact:
    """One number behind a finding.

    Attributes:
        what: What it is, with its unit.
        value: The number and its interval; low and high are NaN where there is none.
    """

    what: str
    value: Interval


@dataclass(frozen=True)
class Finding:
    """One of the paper's findings, and whether this study's records bear it out.

    Attributes:
        number: 1 to 4, as in the paper.
        claim: The paper's words, shortened.
        rule: When it counts as holding.
        verdict: "holds", "does not hold" or "cannot be told"; the first two end in ", but test data
            are shared" where the audit found leaks.
        why: Why, in a sentence.
        facts: The numbers.
    """

    number: int
    claim: str
    rule: str
    verdict: str
    why: str
    facts: tuple[Fact, ...]

    def above_leaks(self) -> Finding:
        """Return it as it is to be read where test data are shared with what they should not be."""
        told = self.verdict != "cannot be told"
        return dataclasses.replace(self, verdict=self.verdict + _SHARED) if told else self

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; a number without an interval has NaN at both ends."""
        return dataclasses.asdict(self)


def zero_shot_failure(
    families: Sequence[DetectorFamily],
    trainings: Sequence[Replicates],
    smallest_loss: float = PASSABLE_POINTS,
) -> Finding:
    """Check Finding 1: no generalization in zero-shot settings, mitigated in few-shot settings.

    `trainings` are the accuracies of each training, under the same names. A loss counts from
    `smallest_loss` points: the paper calls a degradation below 20 passable.
    """
    tuned = families[0].protocol.tuned
    trained = [family for family in families if family.reference is None] or families
    learners = [family for family in trained if family.few_shot]

    def lost(accuracies: Replicates, _kinds: Sequence[str]) -> DoubleArray:
        return _mean(
            accuracies.degradation(family.detector(ORIGINAL), family.source, family.unseen)
            for family in trained
        )

    def gained(accuracies: Replicates, kinds: Sequence[str]) -> DoubleArray:
        return _mean(
            accuracies[family.detector(kind), name] - accuracies[family.detector(ORIGINAL), name]
            for kind in kinds
            for family in learners
            for name in family.few_shot
        )

    sets = ", ".join(families[0].protocol.unseen)
    numbers: list[tuple[str, Callable[[Replicates, Sequence[str]], DoubleArray], tuple[str, ...]]]
    numbers = [(f"mean degradation of the original detectors on {sets} (points)", lost, ())]
    if tuned and learners:
        few = " and ".join(families[0].protocol.few_shot)
        numbers.append((f"mean few-shot gain in accuracy on {few} (points)", gained, tuned))
        numbers += [
            (f"the same by {short_name(kind)} alone (points)", gained, (kind,)) for kind in tuned
        ]
    facts = tuple(
        Fact(what, over_trainings(trainings, [number(each, kinds) for each in trainings]))
        for what, number, kinds in numbers
    )
    zero = _above(smallest_loss, [facts[0].value])
    few_shot = _above(0.0, [fact.value for fact in facts[1:2]])
    lose = {True: "lose", False: "do not lose", None: "do not clearly lose"}[zero]
    why = (
        f"The original detectors {lose} more than {smallest_loss:g} points of accuracy on unseen "
        "sets; "
    )
    if len(facts) > 1:
        helps = {True: "helps", False: "does not help", None: "does not clearly help"}[few_shot]
        why += f"fine-tuning on a few images {helps}."
    else:
        why += "the rest is left out: nothing is fine-tuned on a few images of them."
    return Finding(
        number=1,
        claim="Detectors are not generalizable in zero-shot settings; few-shot settings mitigate "
        "the degradation.",
        rule=f"The interval of the mean degradation lies above {smallest_loss:g} points, the "
        "smallest loss that counts, and that of the mean gain above zero.",
        verdict=_verdict(zero, few_shot) if len(facts) > 1 else "cannot be told",
        why=why,
        facts=facts,
    )


def unwanted_properties(
    families: Sequence[DetectorFamily],
    trainings: Sequence[Replicates],
    scored: Mapping[str, Mapping[str, pd.DataFrame]] | None = None,
) -> Finding:
    """Check Finding 2: method-specific features are learnt, identities do not matter.

    As in Tables VI and VII, only detectors that degrade by more than 30 points count, original and
    fine-tuned ones alike. `trainings` are the accuracies of each training, under the same names;
    `scored` maps set and detector to scores, those of the first training under these names.

    Reproduction notes:
        The paper compares the specialized sets with the mean of all four unseen ones: FS-I and NT-I
        also with DF and DFD, which other methods made; and CELEB-M, where nothing is said of DFD,
        made by a method of the same family. Both are compared by method here besides, and reals,
        whose clips were trained on, apart from fakes, of which only the people were.
    """
    mean, protocol = mean_accuracies(trainings), families[0].protocol
    found = {source: _in_table(families, mean, source) for source in protocol.sources}
    facts: list[Fact] = []
    intervals: dict[str, list[Interval]] = {"method": [], "people": [], "family": []}
    asked = differences(protocol)
    for kind, what, source, difference in asked:
        if names := found[source]:
            each = [_mean(difference(one, name, source) for name in names) for one in trainings]
            detectors = f"{len(names)} detector{'s' if len(names) != 1 else ''}"
            interval = over_trainings(trainings, each)
            facts.append(Fact(f"{what} (points), {detectors}", interval))
            intervals[kind].append(interval)
    claim = (
        "Detectors learn features specific to synthesis methods; human identities do not appear "
        "to matter."
    )
    method_sets, people_sets = (
        " and ".join(protocol.sharing(shares)) or "no set of this protocol"
        for shares in ("method", "people")
    )
    rule = (
        f"On {method_sets} the interval lies above zero, and on {people_sets} below {SMALL:g} "
        "points, against all unseen sets, as in the paper, and method by method."
    )
    lacking = [what for what in ("method", "people") if not protocol.sharing(what)]
    if lacking or len(facts) < len(asked):
        if lacking:
            shared = " and none that shares the ".join(lacking)
            why = f"Left out: the protocol has no set that shares the {shared} with a source."
        else:
            missing = next(source for _, _, source, _ in asked if not found[source])
            why = f"No {missing}-trained detector degrades by more than {POOR_POINTS:g} points."
        return Finding(2, claim, rule, "cannot be told", why, tuple(facts))
    apart = classes_apart(protocol, found, scored or {})
    facts += [_fact(what, value) for what, value in apart]
    same_method, no_people = _above(0.0, intervals["method"]), _below(SMALL, intervals["people"])
    easier = {True: "is", False: "is not", None: "is not clearly"}[same_method]
    people_too = {True: "make less than", False: "make more than", None: "may make"}[no_people]
    why = (
        f"The method trained on {easier} easier on other material than other methods are; the "
        f"people trained on, in the clips trained on, {people_too} {SMALL:g} points of difference."
    )
    for family in intervals["family"]:
        if family.low > 0:
            why += (
                " But DFD, made by a method of CELEB's family with other people, is "
                f"{family.estimate:.1f} points harder than CELEB-M: it is not the method alone."
            )
    return Finding(2, claim, rule, _verdict(same_method, no_people), why, tuple(facts))


def _in_table(families: Sequence[DetectorFamily], accuracies: Replicates, source: str) -> list[str]:
    """Return the detectors that enter Table VI or VII."""
    return [
        name
        for family in families
        if family.source == source and family.reference is None
        for name in family.congenetic.values()
        if is_poor(accuracies.degradation(name, source, family.unseen)[0, 0])
    ]


def undiscriminating_features(
    similarities: Mapping[str, pd.DataFrame], *, n_resamples: int, seed: int
) -> Finding:
    """Check Finding 3: congenetic detectors look at different regions of the same fake.

    `similarities` maps family and unseen set to how alike each fake's heat maps are, as
    `RunResults.similarities`. The intervals are over videos.
    """
    claim = "Detectors extract unrestrained features that are not discriminative enough."
    rule = (
        "On the unseen sets, more than half of the fakes have dissimilar heat maps (mean SSIM of "
        "the three congenetic detectors, an original one and the two fine-tuned from it, below "
        ".7): the interval lies above 50 %. And the maps are nearer to the floor, maps of other "
        "faces, than to the ceiling, one detector's maps of a face and of its copy as a JPEG of "
        "quality 90: by SSIM, rank correlation and overlap of the top tenths alike, the interval "
        "of their place between the two, 0 to 1, lies below a half. Where a ceiling is not clearly "
        "above its floor it cannot be told. Fakes on which two or more of the three maps are empty "
        "are left out: empty maps equal each other."
    )
    if not similarities:
        why = "Left out: no heat maps of an original detector and its fine-tuned ones are compared."
        return Finding(3, claim, rule, "cannot be told", why, ())
    left_out = [float(frame["own", "ssim"].isna().mean()) for frame in similarities.values()]
    omitted = _fact(
        "fakes left out, two or more of their maps being empty (%)",
        100.0 * float(np.mean(left_out)),
    )
    resampled, means = _means_over_fakes(similarities, n_resamples=n_resamples, seed=seed)
    if ("own", "ssim") not in means:
        why = "On every fake, two or more of the three heat maps are empty."
        return Finding(3, claim, rule, "cannot be told", why, (omitted,))
    unlike = resampled.interval(means["own", "dissimilar"], within=(0.0, 100.0))
    places = _places(resampled, means)
    most, near = _above(50.0, [unlike]), _below(0.5, [place.value for place in places])
    share = {True: "Most", False: "Not most", None: "Not clearly most"}[most]
    why = f"{share} heat maps of an original detector and the two fine-tuned from it are dissimilar"
    if most and near and len(places) < len(_LIKENESS):
        near = None
        why += ", but not all measures tell maps of one face from maps of different ones"
    elif most:
        nearer = {True: "nearer", False: "not nearer", None: "not clearly nearer"}[near]
        why += f", and {nearer} to maps of other faces than to those of a copy of the same"
    verdict = _verdict(most, near)
    if unlike.n < FEWEST:
        verdict, why = "cannot be told", f"The fakes are of too few videos: {unlike.note}"
    dissimilar = Fact("fakes of the unseen sets with dissimilar heat maps (%)", unlike)
    videos = set().union(*(frame.index for frame in similarities.values()))
    # Twins differ by the seed of their training alone: what no fine-tuning could be alike beyond.
    twins = _places(resampled, means, "twin")
    facts = (dissimilar, *places, *twins, _fact("videos they are of", len(videos)), omitted)
    return Finding(3, claim, rule, verdict, f"{why}.", facts)


def _places(
    resampled: Replicates, means: Mapping[tuple[str, str], DoubleArray], top: str = "ceiling"
) -> list[Fact]:
    """Return where the likeness lies between floor and ceiling, where these can be told apart."""
    found = []
    for measure, title in _LIKENESS.items():
        columns = [(name, measure) for name in ("own", "floor", top)]
        if all(column in means for column in columns):
            own, floor, ceiling = (means[column] for column in columns)
            if resampled.interval(ceiling - floor).low > 0:
                numbers = ", ".join(
                    f"{said}{values[0, 0]:.2f}"
                    for said, values in (("", own), ("floor ", floor), (f"{top} ", ceiling))
                )
                place = resampled.interval((own - floor) / (ceiling - floor))
                found.append(Fact(f"{title}: {numbers}; its place between them", place))
    return found


def _means_over_fakes(
    similarities: Mapping[str, pd.DataFrame], *, n_resamples: int, seed: int
) -> tuple[Replicates, dict[tuple[str, str], DoubleArray]]:
    """Return the mean of each column over fakes, then over families and sets, resampled by video.

    ("own", "dissimilar") is a share in percent.
    """
    known: dict[str, tuple[DoubleArray, AnyArray]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for key, frame in similarities.items():
        own = frame["own", "ssim"]
        shares = {("own", "dissimilar"): (100.0 * (own < _DISSIMILAR)).where(own.notna())}
        for column, values in {**frame, **shares}.items():
            there = values.notna().to_numpy()
            if there.any():
                name = f"{key} {column}"
                known[name] = (values.to_numpy()[there], frame.index.to_numpy()[there])
                names.setdefault(column, []).append(name)
    resampled = resample_means(known, Resampling(n_resamples=n_resamples, seed=seed))
    return resampled, {
        column: np.mean([resampled["", name] for name in own], axis=0)
        for column, own in names.items()
    }


def universal_neurons(overlaps: Mapping[str, Sequence[causal.Overlap]]) -> Finding:
    """Check Finding 4: some neurons contribute on all datasets, seen and unseen.

    `overlaps` maps each detector to its overlaps at the sizes of top that the rule looks at.
    """
    claim = "Detectors have universally contributing neurons across seen and unseen datasets."
    rule = (
        "In the top quarter and the top half of the layer, where the paper reports no exception, "
        "all datasets share more neurons than chance explains (exact), and than one more control "
        "network of each kind would (by Student's t over the controls; a single network is shown, "
        "not tested): p is at most .05 in every test of every detector. As all must pass, none is "
        "adjusted; the numbers of detectors beyond are, by Holm's method."
    )
    if not overlaps:
        why = "Left out: no detector trained here has several neurons in a dense layer."
        return Finding(4, claim, rule, "cannot be told", why, ())
    found, level = list(overlaps.values()), 0.05
    tests = {"chance": [max(each.p_chance for each in sizes) for sizes in found]}
    for kind in found[0][0].p_controls:
        tests[kind] = [max(each.p_controls[kind] for each in sizes) for sizes in found]
    facts = [
        _fact(f"detectors beyond {what}, of {len(found)} (Holm)", float(np.sum(holm(p) <= level)))
        for what, p in tests.items()
    ]
    for sizes in zip(*found, strict=True):
        share = Fraction(sizes[0].k, sizes[0].neurons).limit_denominator(100)
        means = {
            "all sets": [each.counts[-1] for each in sizes],
            "all sets by chance": [each.expected[-1] for each in sizes],
        }
        for kind in sizes[0].controls:
            means[f"all sets in controls, {kind}"] = [
                each.controls[kind][:, -1].mean() for each in sizes
            ]
        facts += [
            _fact(f"neurons in the top {share} of {of}, mean", float(np.mean(values)))
            for of, values in means.items()
        ]
    beyond = np.max(list(tests.values()), axis=0) <= level
    why = (
        f"Claim tested: more than {', '.join([*tests][1:] or tests)}. {beyond.sum()} of "
        f"{len(found)} detectors share so many neurons over all datasets."
    )
    return Finding(4, claim, rule, _verdict(bool(beyond.all())), why, tuple(facts))


def _mean(values: Iterable[DoubleArray]) -> DoubleArray:
    mean: DoubleArray = np.mean(list(values), axis=0)
    return mean


def _fact(what: str, value: float) -> Fact:
    """Return a number without an interval."""
    return Fact(what, Interval(float(value), float("nan"), float("nan")))


def _above(bound: float, intervals: Sequence[Interval]) -> bool | None:
    """Return whether all lie above a bound: False where one lies below, None where not told."""
    if all(each.low > bound for each in intervals):
        return True
    return False if any(each.high <= bound for each in intervals) else None


def _below(bound: float, intervals: Sequence[Interval]) -> bool | None:
    if all(each.high < bound for each in intervals):
        return True
    return False if any(each.low >= bound for each in intervals) else None


def _verdict(*asked: bool | None) -> str:
    """Return a verdict on what is asked: each may hold, not hold, or not be told (None)."""
    if False in asked:
        return "does not hold"
    return "cannot be told" if None in asked else "holds"
