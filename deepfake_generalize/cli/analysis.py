"""The commands that ask why: `grad-cam`, `causal` and `compare`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import (
    DetectorName,
    Detectors,
    Json,
    Resamples,
    Seed,
    Weights,
)
from deepfake_generalize.cli.benchmarking import PolarityName
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_SHOWN = 8
ResamplesOrNone = Annotated[
    int, typer.Option(min=0, help="How often videos are sampled again for the intervals; 0: none.")
]


def grad_cam(
    crops: Annotated[
        str, typer.Argument(metavar="SET", help="Crops; [label=fake] behind them chooses.")
    ],
    detector: Detectors,
    out: Annotated[Path, typer.Option("--out", help="The folder for pictures and tables.")],
    target: Annotated[
        Literal["fake", "real"], typer.Option(help="The verdict whose evidence is shown.")
    ] = "fake",
    layer: Annotated[
        str | None, typer.Option(help="By default a network's last convolution.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="At most so many, evenly through the set.")
    ] = 100,
    masks: Annotated[
        Path | None,
        typer.Option(help="A folder with CROP.png for each, white where it is manipulated."),
    ] = None,
    json: Json = False,
) -> None:
    """Show where detectors look: heat maps over crops, how alike they are and how well placed.

    Writes DETECTOR/NUMBER_CROP.png, and maps.csv with a row for each: the score, whether the map is
    empty and, with --masks, the share of it in the manipulated region (mass), the region's share of
    the picture, and whether the largest value is in it (hit). Of several detectors, similarity.csv
    says for each crop how alike their maps are, unless two are empty.

    JSON keys: folder, images, of (how many there were), maps (a row a detector: means, and how many
    maps are empty), similarity (measure: mean).
    """
    arguments.check_out(out / "maps.csv")
    table = arguments.read_set(crops)
    for name in detector:
        arguments.require_detector(name, None, videos=False)
    import numpy as np

    from deepfake_generalize import models

    found: list[Any] = [models.load_detector(name, None) for name in detector]
    loaded = {of.name: of for of in found}
    if len(loaded) < len(detector):
        raise InputError(
            f"expected detectors of different names, received {', '.join(loaded)} and again.",
            hint="Save one under another name, which --name of `train` gives it.",
        )
    chosen = np.linspace(0, len(table) - 1, min(images, len(table))).astype(int)
    paths = [Path(path) for path in table["path"].iloc[chosen]]
    options = {"target": target, "layer": layer}
    with console.progress("mapping", shown=not json) as advance, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Empty maps and masks stand in the tables.
        rows, similarity = _mapped(paths, loaded, out, masks, advance, options)
    arguments.write_out(out / "maps.csv", rows.to_csv(index=False))
    if len(loaded) > 1:
        arguments.write_out(out / "similarity.csv", similarity.to_csv(index=False))
    grouped = rows.drop(columns="path").groupby("detector", sort=False)
    means = grouped.mean().assign(empty=grouped["empty"].sum()).reset_index()
    likeness = similarity.drop(columns="path").mean()
    if json:
        counts = {"folder": out, "images": len(paths), "of": len(table)}
        console.write_json(counts | {"maps": means, "similarity": likeness})
        return
    title = f"maps of {len(paths)} of {len(table)} crops: means, and how many are empty"
    console.write_frame(title, means)
    for measure, mean in likeness.items():
        console.write_text(f"{measure} between detectors: {console.number(mean)} on average")
    console.write_text(f"pictures and tables: {out}")


def _mapped(
    paths: list[Path],
    detectors: dict[str, Any],
    out: Path,
    masks: Path | None,
    advance: Callable[[int, int], None],
    options: dict[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the pictures, and return a row for each map and one for each crop."""
    import cv2
    import numpy as np
    import pandas as pd

    from deepfake_generalize import interpret
    from deepfake_generalize.data import read_image
    from deepfake_generalize.study.scores import file_name

    measures: Any = ("ssim", "rank_correlation", "top_overlap") if len(detectors) > 1 else ()
    found, alike = [], []
    for number, path in enumerate(paths):
        advance(number, len(paths))
        image, maps = read_image(path)[np.newaxis], []
        for name, detector in detectors.items():
            maps.append(interpret.grad_cam(detector, image, **options))
            row: dict[Any, Any] = {"detector": name, "path": path}
            row |= {"score": float(detector.scores(image)[0]), "empty": not maps[-1].any()}
            if masks is not None:
                region = read_image(masks / f"{path.stem}.png")[np.newaxis, ..., 0] >= 128
                row |= dict(interpret.localization(maps[-1], region).iloc[0])
            found.append(row)
            picture = interpret.overlay(maps[-1], image)[0, ..., ::-1]
            file = out / file_name(name) / f"{number:05d}_{path.stem}.png"
            file.parent.mkdir(exist_ok=True)
            arguments.write_out(file, cv2.imencode(".png", picture)[1].tobytes())
        alike.append({"path": path} | dict.fromkeys(measures, float("nan")))
        for measure in measures if sum(own.any() for own in maps) >= len(maps) - 1 else ():
            alike[-1][measure] = interpret.congenetic_similarity(maps, measure=measure)[0]
    return pd.DataFrame(found), pd.DataFrame(alike)


def causal(
    sets: Annotated[
        list[str], typer.Argument(metavar="NAME=SET", help="Crops by name, as in FS=crops/fs.")
    ],
    detector: DetectorName,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV of the effects.")] = None,
    weights: Weights = None,
    top: Annotated[
        float, typer.Option(help="The part of the neurons that is its top; from 1 on, how many.")
    ] = 0.1,
    site: Annotated[str, typer.Option(help="paper, or the name of a layer.")] = "paper",
    steps: Annotated[int, typer.Option(min=2, help="Values that each neuron is set to.")] = 4,
    outcome: Annotated[
        Literal["true_class", "score"], typer.Option(help="What the effect is on: its mean P.")
    ] = "true_class",
    resamples: ResamplesOrNone = 200,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure which neurons a detector decides by on each set, and which on all of them.

    Each neuron is set to several values in turn; its contribution is how far the mean outcome
    moves. The CSV, which `focus` takes, has a row for each set and neuron: contribution, whether it
    is in the top, and in that of every set (universal), in the tops of how many samples of videos
    (inclusion), values and effects.

    JSON keys: detector, k (neurons in a top), neurons, universal (their numbers), p_chance, shared
    (sets, neurons in the top of exactly so many, expected by chance), sets (set, images, videos,
    top, and jaccard, low, high: how alike the tops of other samples of videos are).
    """
    named = arguments.named_sets(sets)
    arguments.check_out(out)
    crops = {name: arguments.read_set(place) for name, place in named.items()}
    arguments.require_detector(detector, weights, videos=False)
    import pandas as pd

    from deepfake_generalize import causal, models
    from deepfake_generalize.metrics import Resampling

    part = int(top) if top >= 1 else top
    resampling = Resampling(n_resamples=resamples, seed=seed) if resamples else None
    options = {"site": site, "steps": steps, "outcome": outcome}
    loaded: Any = models.load_detector(detector, weights)
    effects: dict[str, Any] = {}
    told, tables = [], []
    with console.progress("measuring", shown=not json) as advance:
        for name, rows in crops.items():
            advance(len(effects), len(crops))
            effects[name], row, table = _measured(loaded, rows, part, resampling, options)
            told.append({"set": name, **row})
            tables.append(table.assign(set=name))
    shared = causal.overlap(effects, part)
    universal = causal.universal_neurons(effects, part).tolist()
    if out is not None:
        whole = pd.concat(tables, ignore_index=True)
        whole["universal"] = whole["neuron"].isin(universal)
        arguments.write_out(out, whole.to_csv(index=False))
    counts = {"sets": range(1, len(crops) + 1), "neurons": shared.counts}
    of_each = pd.DataFrame({**counts, "expected": shared.expected})
    if json:
        known = {"detector": loaded.name, "k": shared.k, "neurons": shared.neurons}
        known |= {"universal": universal, "p_chance": shared.p_chance}
        console.write_json(known | {"shared": of_each, "sets": told})
        return
    of = f"the top {shared.k} of {shared.neurons} neurons of {loaded.name}, and how steady it is"
    console.write_frame(of, pd.DataFrame(told).assign(top=[_few(row["top"]) for row in told]))
    console.write_frame("neurons in the top of exactly so many sets", of_each)
    console.write_text(
        f"in the top of all sets: {_few(universal)} ({len(universal)}; p {shared.p_chance:.2g} by "
        "chance, but networks that were never trained share some too)"
    )


def _measured(
    detector: Any, rows: Any, part: float, resampling: Any, options: dict[str, Any]
) -> tuple[Any, dict[str, Any], pd.DataFrame]:
    """Return the effects on one set, what is said of them, and a row for each neuron."""
    import pandas as pd

    from deepfake_generalize import causal
    from deepfake_generalize.data.manifests import video_keys

    videos, labels = video_keys(rows), rows["label"]
    count = None if videos is None else len(set(videos))
    if (count or 0) > 1 and resampling is not None:
        options = options | {"resampling": resampling, "groups": videos}
    found = causal.average_causal_effect(detector, rows, labels=labels, **options)
    same = None if found.resampled is None else causal.top_stability(found, part)
    first = causal.top_neurons(found, part).tolist()
    row = {"images": len(rows), "videos": count, "top": first}
    row |= {key: getattr(same, key, None) for key in ("jaccard", "low", "high")}
    table = pd.DataFrame({"set": "", "neuron": range(len(found.effects))})
    table["contribution"], table["top"] = found.contribution, table["neuron"].isin(first)
    table["inclusion"] = getattr(same, "inclusion", None)
    for kind, given in (("value", found.values), ("effect", found.effects)):  # noqa: PD011
        table[[f"{kind}_{step}" for step in range(1, options["steps"] + 1)]] = given
    return found, row, table


def _few(neurons: list[int]) -> str:
    more = ", ..." if len(neurons) > _SHOWN else ""
    return (", ".join(map(str, neurons[:_SHOWN])) or "none") + more


def compare(
    scores: Annotated[
        list[str],
        typer.Argument(metavar="NAME=SCORES.csv", help="Score files of one set by detector."),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV of the tests.")] = None,
    polarity: PolarityName = None,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Test which detector is better than which on the images of one set that all have scored.

    Differences of AUC and of accuracy, a minus b, with 95 % intervals over whole videos; DeLong's
    test, by video where videos are known; and its p-values adjusted by Holm for all pairs.

    JSON keys: images (that all have scored), of (detector: rows of its file), pairs (a, b, auc_a,
    auc_b, auc_difference, accuracy_difference, each with _low and _high, z, p_value, p_holm).
    """
    named = arguments.named_sets(scores, what="DETECTOR=SCORES.csv", example="MINE=DFD.csv")
    if len(named) < 2:
        raise InputError(
            f"expected the score files of two detectors or more, received {len(named)}.",
            hint="Give each as DETECTOR=SCORES.csv.",
        )
    arguments.check_out(out)
    from deepfake_generalize.metrics import Resampling
    from deepfake_generalize.study import read_scores
    from deepfake_generalize.study.benchmarking import compare_scores

    frames = {name: read_scores(path, polarity=polarity).frame for name, path in named.items()}
    pairs = compare_scores(frames, Resampling(n_resamples=resamples, seed=seed))
    images, of = pairs.attrs["images"], {name: len(rows) for name, rows in frames.items()}
    if out is not None:
        arguments.write_out(out, pairs.to_csv(index=False))
    if json:
        console.write_json({"images": images, "of": of, "pairs": pairs})
        return
    shown = pairs.drop(columns=[name for name in pairs if str(name).startswith(("accuracy", "z"))])
    counted = ", ".join(f"{count} of {name}" for name, count in of.items())
    console.write_frame(f"{images} images that all have scored, of {counted}", shown)
