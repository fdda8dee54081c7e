"""The commands that ask why: `grad-cam`, `causal` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import DetectorName, Json, Seed, Weights
from deepfake_generalize.cli.benchmarking import PolarityName
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from deepfake_generalize.types import AnyArray

_AT_ONCE = 50
_SIDE = 256
"""In pixels, of pictures of crops that are not of one size."""
_SHOWN = 8

NamedSets = Annotated[
    list[str], typer.Argument(metavar="NAME=SET...", help="Crops by name, as in FS=crops/fs.")
]
Resamples = Annotated[
    int, typer.Option(min=0, help="How often videos are sampled again for the intervals.")
]


def grad_cam(
    crops: Annotated[str, typer.Argument(metavar="SET", help="Crops, as of benchmark.")],
    detector: Annotated[
        list[str],
        typer.Option("--detector", help="As of score; several are compared, map by map."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder for pictures and tables.")],
    target: Annotated[
        Literal["fake", "real"], typer.Option(help="The verdict whose evidence is shown.")
    ] = "fake",
    layer: Annotated[
        str | None, typer.Option(help="By default the last convolution of a network.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="At most so many, evenly through the set.")
    ] = 100,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="A folder of pictures, white where a crop of the same name is manipulated."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show where detectors look: heat maps over the crops, and how alike and how well placed.

    Writes DETECTOR/NUMBER_CROP.png, and maps.csv with a row for each of them: the score, whether
    the map is empty, and with --masks how much of it lies in the manipulated region (mass, beside
    the region's share of the picture, and hit: whether its largest value does). With several
    detectors, similarity.csv says of each crop how alike their maps are, where at most one of them
    is empty. Crops of unequal sizes are shown at 256 pixels.

    JSON keys: folder, images, of (how many there were), maps (a row a detector), similarity
    (measure: mean, counted crops).
    """
    import numpy as np

    arguments.check_out(out / "maps.csv")
    table = arguments.read_set(crops)
    rows = table.iloc[np.linspace(0, len(table) - 1, min(images, len(table))).astype(int)]
    for name in detector:
        arguments.require_detector(name, None, videos=False)
    import pandas as pd

    from deepfake_generalize import models

    loaded = {of.name: of for of in map(models.load_detector, detector)}
    if len(loaded) < len(detector):
        raise InputError(
            f"expected detectors of different names, received {', '.join(loaded)}.",
            hint="Give one another name: file.py:network[name=mine], or --name of `train`.",
        )
    found: list[Any] = []
    with console.progress("mapping", shown=not json) as advance:
        for start in range(0, len(rows), _AT_ONCE):
            advance(start, len(rows))
            part = rows.iloc[start : start + _AT_ONCE]
            found.append(_mapped(part, start, loaded, out, target, layer, masks))
    maps, alike = (pd.concat(tables, ignore_index=True) for tables in zip(*found, strict=True))
    arguments.write_out(out / "maps.csv", maps.to_csv(index=False))
    grouped = maps.drop(columns="path").groupby("detector", sort=False)
    means = grouped.mean().assign(empty=grouped["empty"].sum()).reset_index()
    document = {"folder": out, "images": len(rows), "of": len(table), "maps": means}
    document["similarity"] = {}
    if len(loaded) > 1:
        arguments.write_out(out / "similarity.csv", alike.to_csv(index=False))
        document["similarity"] = {
            name: {"mean": alike[name].mean(), "images": int(alike[name].notna().sum())}
            for name in alike.columns.drop("path")
        }
    if json:
        console.write_json(document)
        return
    console.write_table(
        f"maps of {len(rows)} of {len(table)} crops: means, and how many are empty",
        [*means.columns],
        [
            [cell if isinstance(cell, str | int) else console.number(cell) for cell in row]
            for row in means.itertuples(index=False)
        ],
    )
    for name, said in document["similarity"].items():
        console.write_text(f"{name} between detectors: {console.number(said['mean'])} on average")
    console.write_text(f"pictures and tables: {out}")


def _mapped(
    rows: pd.DataFrame,
    first: int,
    detectors: dict[str, Any],
    out: Path,
    target: Any,
    layer: str | None,
    masks: Path | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the pictures of some crops, and return a row a map and a row a crop."""
    import cv2
    import numpy as np
    import pandas as pd

    from deepfake_generalize import interpret
    from deepfake_generalize.data import read_image
    from deepfake_generalize.data.crops import resize
    from deepfake_generalize.study.scores import file_name

    crops = [read_image(path) for path in rows["path"]]
    alike_in_size = len({crop.shape for crop in crops}) == 1
    size = crops[0].shape[:2] if alike_in_size else (_SIDE, _SIDE)
    images = np.stack([resize(crop, size) for crop in crops])
    regions = None
    if masks is not None:
        names = [masks / f"{Path(path).stem}.png" for path in rows["path"]]
        regions = np.stack([resize(read_image(name), size)[..., 0] >= 128 for name in names])
    tables, maps = [], []
    for name, detector in detectors.items():
        own = interpret.grad_cam(detector, images, target=target, layer=layer)
        told = pd.DataFrame({"detector": name, "path": rows["path"].to_numpy()})
        told["score"], told["empty"] = detector.scores(crops), own.max(axis=(1, 2)) == 0
        if regions is not None:
            told = told.join(interpret.localization(own, regions))
        folder = out / file_name(name)
        folder.mkdir(exist_ok=True)
        pictures = zip(rows["path"], interpret.overlay(own, images), strict=True)
        for number, (path, picture) in enumerate(pictures, start=first):
            file = folder / f"{number:05d}_{Path(path).stem}.png"
            arguments.write_out(file, cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        tables.append(told)
        maps.append(own)
    alike = pd.DataFrame({"path": rows["path"].to_numpy()})
    measures: Any = ("ssim", "rank_correlation", "top_overlap") if len(maps) > 1 else ()
    several = np.sum([table["empty"] for table in tables], axis=0) > 1
    for measure in measures:
        likeness: AnyArray = interpret.congenetic_similarity(maps, measure=measure)
        alike[measure] = np.where(several, np.nan, likeness)
    return pd.concat(tables), alike


def causal(
    sets: NamedSets,
    detector: DetectorName,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV of the effects.")] = None,
    weights: Weights = None,
    top: Annotated[
        float, typer.Option(help="The part of the neurons that counts as top; from 1 on, how many.")
    ] = 0.1,
    site: Annotated[str, typer.Option(help="paper, or the name of a layer.")] = "paper",
    steps: Annotated[int, typer.Option(min=2, help="Values that each neuron is set to.")] = 4,
    outcome: Annotated[
        Literal["true_class", "score"], typer.Option(help="The mean P of what is measured.")
    ] = "true_class",
    resamples: Resamples = 200,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure which neurons a detector decides by on each set, and which on all of them.

    Each neuron is set to several values in turn; its contribution is by how much the mean outcome
    moves. The CSV has a row for each set and neuron: contribution, inclusion (in the top of how
    many samples of videos), top, universal (in the top of every set), values and effects; `focus`
    takes it.

    JSON keys: detector, k, neurons, universal (their numbers), shared (a row for each number of
    sets: sets, neurons, expected by chance), p_chance, sets (a row a set: set, images, videos, top,
    jaccard, low, high, expected: how alike the tops of samples of videos are).
    """
    named = arguments.named_sets(sets)
    arguments.check_out(out)
    crops = {name: arguments.read_set(place) for name, place in named.items()}
    arguments.require_detector(detector, weights, videos=False)
    import pandas as pd

    from deepfake_generalize import causal, models
    from deepfake_generalize.data.manifests import video_keys
    from deepfake_generalize.metrics import Resampling

    part = int(top) if top >= 1 else top
    loaded: Any = models.load_detector(detector, weights)
    measure: Any = causal.average_causal_effect  # It takes crops by their paths too.
    effects: dict[str, causal.NeuronEffects] = {}
    told, tables = [], []
    with console.progress("measuring", shown=not json) as advance:
        for name, rows in crops.items():
            advance(len(effects), len(crops))
            videos = video_keys(rows)
            count = None if videos is None else len(set(videos))
            steady = resamples > 0 and (count or 0) > 1
            found = effects[name] = measure(
                loaded,
                rows,
                labels=rows["label"],
                site=site,
                steps=steps,
                outcome=outcome,
                resampling=Resampling(n_resamples=resamples, seed=seed) if steady else None,
                groups=videos if steady else None,
            )
            table = pd.DataFrame({"set": name, "neuron": range(len(found.effects))})
            table["contribution"] = found.contribution
            first = causal.top_neurons(found, part)
            row: dict[str, Any] = {"set": name, "images": len(rows), "videos": count}
            row["top"] = first.tolist()
            if steady:
                same = causal.top_stability(found, part)
                table["inclusion"] = same.inclusion
                row |= {key: getattr(same, key) for key in ("jaccard", "low", "high", "expected")}
            table["top"] = table["neuron"].isin(first)
            for kind, given in (("value", found.values), ("effect", found.effects)):  # noqa: PD011
                table[[f"{kind}_{step}" for step in range(1, steps + 1)]] = given
            told.append(row)
            tables.append(table)
    shared = causal.overlap(effects, part)
    universal = causal.universal_neurons(effects, part).tolist()
    if out is not None:
        whole = pd.concat(tables, ignore_index=True)
        whole.insert(3, "universal", whole["neuron"].isin(universal))
        arguments.write_out(out, whole.to_csv(index=False))
    counted = [
        {"sets": number, "neurons": int(count), "expected": float(expected)}
        for number, (count, expected) in enumerate(
            zip(shared.counts, shared.expected, strict=True), start=1
        )
    ]
    document = {"detector": loaded.name, "k": shared.k, "neurons": shared.neurons}
    document |= {"universal": universal, "shared": counted, "p_chance": shared.p_chance}
    if json:
        console.write_json(document | {"sets": told})
    else:
        _show_neurons(document, told)


def _show_neurons(document: dict[str, Any], sets: list[dict[str, Any]]) -> None:
    k, universal = document["k"], document["universal"]
    rows = []
    for row in sets:
        numbers = [console.number(row.get(key)) for key in ("jaccard", "low", "high", "expected")]
        steady = "{} ({} to {}), by chance {}".format(*numbers) if "jaccard" in row else "-"
        first = ", ".join(map(str, row["top"][:_SHOWN])) + (", ..." if k > _SHOWN else "")
        rows.append((row["set"], row["images"], row["videos"], first, steady))
    columns = ("set", "images", "videos", "top neurons", "likeness of tops of other videos")
    of = f"the top {k} of {document['neurons']} neurons of {document['detector']}"
    console.write_table(of, columns, rows)
    shared = [(row["sets"], row["neurons"], f"{row['expected']:.1f}") for row in document["shared"]]
    counts = ("in the top of so many sets", "neurons", "expected by chance")
    console.write_table("how many sets share them", counts, shared)
    told = ", ".join(map(str, universal[:_SHOWN])) + (", ..." if len(universal) > _SHOWN else "")
    console.write_text(
        f"universal: {len(universal)} neurons ({told or 'none'}), p {document['p_chance']:.2g} by "
        "chance; a network that was never trained shares some too"
    )


def compare(
    scores: Annotated[
        list[str],
        typer.Argument(metavar="NAME=SCORES.csv...", help="Score files of one set by detector."),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV of the tests.")] = None,
    polarity: PolarityName = None,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Test which detector is better than which on the same images of one set.

    Compares the images that all of them scored: differences of AUC and of accuracy with 95 %
    intervals over whole videos, DeLong's test, by video where videos are known, and p-values
    adjusted by Holm for the number of pairs.

    JSON keys: images (that all scored), of (detector: rows of its file), pairs (a row a pair: a, b,
    auc_a, auc_b, auc_difference, accuracy_difference, each with _low and _high, z, p_value,
    p_holm).
    """
    named = arguments.named_sets(scores)
    arguments.check_out(out)
    from deepfake_generalize.metrics import Resampling
    from deepfake_generalize.study import read_scores
    from deepfake_generalize.study.benchmarking import compare_scores

    frames = {name: read_scores(path, polarity=polarity).frame for name, path in named.items()}
    pairs = compare_scores(frames, Resampling(n_resamples=resamples, seed=seed))
    document = {"images": pairs.attrs["images"], "pairs": pairs}
    document["of"] = {name: len(rows) for name, rows in frames.items()}
    if out is not None:
        arguments.write_out(out, pairs.to_csv(index=False))
    if json:
        console.write_json(document)
        return
    rows = []
    for pair in pairs.itertuples():
        difference = f"{pair.auc_difference:+.4f} ({pair.auc_difference_low:+.4f} to "
        numbers = [console.number(getattr(pair, key)) for key in ("auc_a", "auc_b")]
        tests = [console.number(getattr(pair, key)) for key in ("p_value", "p_holm")]
        rows.append(
            (pair.a, pair.b, *numbers, f"{difference}{pair.auc_difference_high:+.4f})", *tests)
        )
    columns = ("a", "b", "AUC of a", "AUC of b", "a minus b", "p", "p by Holm")
    console.write_table(f"{document['images']} images that all detectors scored", columns, rows)
    for name, count in document["of"].items():
        if count > document["images"]:
            console.write_note(f"note: {name}: {count - document['images']} more rows have no pair")
