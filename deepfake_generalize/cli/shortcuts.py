"""The commands that ask whether it is forgery that is read: `shortcuts` and `robustness`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import DetectorName, Json, Resamples, Seed, Weights
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Out = Annotated[Path | None, typer.Option("--out", help="Write the whole table as CSV.")]
_SHOWN = ["cue", "auc", "auc_low", "auc_high", "higher_in", "real", "fake"]


def shortcuts(
    sets: Annotated[
        list[str], typer.Argument(metavar="NAME=SET", help="Crops by name, as in FS=crops/fs.")
    ],
    out: Out = None,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Look for what tells real from fake without looking at the face, such as the codec.

    Of each set the cues, the one that tells most first: the AUC of the cue alone, with a 95 %
    interval over videos. Above 0.7 there is a warning. `robustness --one-sided` asks a detector
    whether it reads such cues.

    JSON keys: cues (set, cue, auc, auc_low, auc_high, higher_in, real, fake, n_real, n_fake, told),
    notes (what could not be looked at).
    """
    named = arguments.named_sets(sets, what="NAME=SET", example="FS=crops/fs")
    arguments.check_out(out)
    crops = {name: arguments.read_set(place) for name, place in named.items()}
    from deepfake_generalize import data
    from deepfake_generalize.metrics import Resampling

    found = data.audit_shortcuts(crops, resampling=Resampling(n_resamples=resamples, seed=seed))
    if out is not None:
        arguments.write_out(out, found.to_csv(index=False))
    if json:
        console.write_json({"cues": found, "notes": found.attrs["notes"]})
        return
    for name, own in found.groupby("set", sort=False):
        console.write_frame(f"how well each cue alone tells real from fake in {name}", own[_SHOWN])
    for note in found.attrs["notes"]:
        console.write_note(f"note: {note}")


def robustness(
    crops: Annotated[str, typer.Argument(metavar="SET", help="Crops of both classes.")],
    detector: DetectorName,
    out: Out = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it, as FILE.png and FILE.svg.")
    ] = None,
    perturbation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=LEVELS]",
            help="saturation, contrast, blocks, colour_noise, blur, pixelation, h264 or one of "
            "GenD's, such as gend_jpeg; blur=1,3 takes these levels of it. Several are measured.",
        ),
    ] = None,
    one_sided: Annotated[
        bool, typer.Option("--one-sided", help="Perturb reals only, fakes only, and both.")
    ] = False,
    weights: Weights = None,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure what a detector loses when pictures are perturbed, by type and level.

    By default the seven types of DeeperForensics-1.0 with five levels each. With --one-sided, mild
    ones ask whether it reads how pictures were saved: by the swing, the AUC with fakes perturbed
    minus that with reals perturbed. Above 0 a perturbation looks fake to the detector, below 0
    real; from 10 points on there is a warning.

    JSON keys: detector, applied_to, rows (perturbation, level, value, perturbed; in percent
    accuracy, auc, degradation, each with _low and _high; n_real, n_fake; with --one-sided swing and
    told), notes.
    """
    if one_sided and figure is not None:
        raise InputError(
            "expected --figure without --one-sided, received both.",
            hint="The figure is of degradations: leave one of them out.",
        )
    chosen = _levels(perturbation or [])
    arguments.check_out(out)
    if figure is not None:
        if figure.suffix in {".png", ".svg"}:
            figure = figure.with_suffix("")
        for ending in (".png", ".svg"):
            arguments.check_out(figure.with_name(figure.name + ending), option="--figure")
    table = arguments.read_set(crops)
    arguments.require_detector(detector, weights, videos=False)
    from deepfake_generalize import data, models, study
    from deepfake_generalize.metrics import Resampling

    ask = study.shortcut_test if one_sided else study.robustness
    options: dict[str, Any] = {"perturbations": chosen} if chosen else {}
    options |= {"seed": seed, "resampling": Resampling(n_resamples=resamples, seed=seed)}
    found = ask(models.load_detector(detector, weights), table, **options)
    if out is not None:
        arguments.write_out(out, found.frame.to_csv(index=False))
    if figure is not None:
        synthetic = data.synthetic.is_synthetic(table)
        study.save_figure(study.figure_robustness(found, synthetic=synthetic), figure)
    if json:
        known = {"detector": found.detector, "applied_to": found.applied_to}
        console.write_json(known | {"rows": found.frame, "notes": found.notes})
        return
    console.write_text(found.table("text", intervals=True))
    warned = int(found.frame["told"].sum()) // 3 if one_sided else 0  # Of three rows a level.
    for note in found.notes[warned:]:
        console.write_note(f"note: {note}")


def _levels(given: Sequence[str]) -> dict[str, list[int]]:
    """Read NAME, of which all levels are taken, and NAME=1,3."""
    from deepfake_generalize.data import PERTURBATIONS
    from deepfake_generalize.validation import check_choice

    found: dict[str, list[int]] = {}
    for text in given:
        name, equals, levels = text.partition("=")
        known = PERTURBATIONS[check_choice("--perturbation", name, PERTURBATIONS)]
        try:
            own = [int(level) for level in levels.split(",")] if equals else None
        except ValueError:
            raise InputError(
                f"expected levels of {name} as numbers, received {levels!r}.",
                hint=f"As in --perturbation {name}=1,3.",
            ) from None
        own = [*range(1, 1 + len(known.values))] if own is None else own
        found.setdefault(name, []).extend(known.check_level(level) for level in own)
    return found
