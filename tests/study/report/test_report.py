"""The report as a reader meets it: in a browser, whole, sortable, and marked as synthetic."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from deepfake_generalize import data, study
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Interval, resampling
from deepfake_generalize.study.protocol import UNSEEN_SETS as UNSEEN
from deepfake_generalize.study.protocol import count_shared, shared_table
from deepfake_generalize.study.report import RunResults, curves, publish
from deepfake_generalize.study.report.intervals import apart, interval_of
from deepfake_generalize.study.report.sections import (
    curves_svg,
    environment,
    without_neurons,
)

SETS = ("F2F", "FS-I", "NT-I")
CELL = r"<t[hd][^>]*>(.*?)</t[hd]>"


def sortable_table(frame: pd.DataFrame, caption: str, empty: str = "") -> str:
    """Return a table as the page has it."""
    return environment().get_template("macros.html").module.sortable_table(frame, caption, empty)


@pytest.fixture(scope="module")
def leaky(tiny_run, tmp_path_factory):
    """The run with a person in training and test, as the audit found."""
    copy = tmp_path_factory.mktemp("leaky") / "run"
    shutil.copytree(tiny_run.folder, copy, ignore=shutil.ignore_patterns("data", "detectors"))
    records = copy / "records" / "data.jsonl"
    (record,) = map(json.loads, records.read_text(encoding="utf-8").splitlines())
    leak = {"kind": "identity", "what": "004", "set_a": "CELEB train", "set_b": "FS test"}
    pair = {"set_a": "CELEB train", "set_b": "FS test", "video": 7, "near_duplicate": 0}
    record["audit"] |= {"leaks": 9, "leaking": [pair | {"identity": 2}]}
    record["audit"]["first_leaks"] = [leak | {"by_design": "False"}]
    records.write_text(json.dumps(record) + "\n", encoding="utf-8")
    figures = [*(copy / "figures").glob("figure_*"), *(copy / "figures").glob("what_helps*")]
    # No figure shows a leak: they are there already.
    drawn = {
        path.stem: path for path in figures if (path.suffix == ".png") == ("figure_2" in path.stem)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "_write_figures", lambda *_: drawn)
        patch.setattr(publish, "_with_faces", lambda _: [])
        return study.publish(copy)


def tables_of(page):
    """Caption to rows of cells of each table of a page, as text."""
    found = {}
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        (caption,) = re.findall(r"<caption><span>(.*?)</span>", table, re.DOTALL)
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        found[caption] = [
            [
                re.sub(r"\s*<[^>]*>\s*", " ", cell).strip()
                for cell in re.findall(CELL, row, re.DOTALL)
            ]
            for row in rows
        ]
    return found


def test_figures_drawn_beside_the_tables_are_those_drawn_before_them(tiny_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(tiny_run.folder, copy, ignore=shutil.ignore_patterns("data", "detectors"))
    for path in (copy / "figures").glob("figure_2*"):
        path.unlink()
    again = study.publish(copy, n_jobs=2)
    for path in (tiny_run.folder / "figures").iterdir():
        assert (copy / "figures" / path.name).read_bytes() == path.read_bytes()
    assert again.report.read_bytes() == tiny_run.report.read_bytes()


@pytest.mark.parametrize("n_jobs", [0, 1.5, "2"])
def test_no_number_of_jobs_is_refused_as_that_and_not_as_a_fault_of_records(
    n_jobs, tiny_run, tiny_config, tmp_path
):
    told = re.escape(
        f"expected n_jobs to be a whole number other than 0 (-1 for one process a "
        f"processor), received {n_jobs!r}."
    )
    with pytest.raises(InputError, match=told):
        study.publish(tiny_run.folder, n_jobs=n_jobs)
    with pytest.raises(InputError, match=told):
        study.run(tiny_config, tmp_path / "new", n_jobs=n_jobs)
    assert not (tmp_path / "new").exists()


def test_the_page_needs_nothing_but_itself(tiny_run):
    text = tiny_run.report.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_says_that_the_faces_are_drawn_and_what_was_run(tiny_run, tiny_config):
    text = tiny_run.report.read_text(encoding="utf-8")
    assert "Synthetic data: these faces are drawn, not filmed." in text
    assert tiny_config.sha256 in text
    for heading in ("Findings", "Generalizability", "Unwanted properties", "Provenance"):
        assert f"<h2>{heading}</h2>" in text
    for number in (1, 2, 3, 4):
        assert f"Finding {number}:" in text


def test_tables_and_page_name_the_seed_and_the_splits(tiny_run, tiny_config):
    (hashed,) = {
        found
        for number in ("iv", "v", "vi", "vii")
        for suffix in ("md", "tex")
        for found in re.findall(
            rf"Seed {tiny_config.seed}; splits ([0-9a-f]{{12}})\.",
            (tiny_run.folder / "tables" / f"table_{number}.{suffix}").read_text(encoding="utf-8"),
        )
    }
    text = tiny_run.report.read_text(encoding="utf-8")
    assert f"splits {hashed}, as the tables" in text
    for path in (tiny_run.folder / "splits").glob("*.csv"):
        assert f"splits {data.Splits.load(path).sha256[:12]}" in text


def test_what_is_wrong_comes_before_the_findings_and_none_is_green_above_a_leak(leaky):
    page = leaky.report.read_text(encoding="utf-8")
    first = page.index("<h3>Finding 1:")
    assert page.index("9 videos, people or pictures are in sets that should") < first
    tables = tables_of(page)
    assert tables["The first 1 of 9 by name."][1:] == [
        ["identity", "004", "CELEB train", "FS test"]
    ]
    (shares,) = (rows for caption, rows in tables.items() if "should share nothing" in caption)
    assert shares[1:] == [["CELEB train", "FS test", "2", "7", "0"]]
    assert page.index("The first 1 of 9 by name.") < first
    assert "No video, no person" not in page
    assert page.count(" of the rarer class in ") == 1
    told = [each.verdict for each in leaky.findings if each.verdict != "cannot be told"]
    assert told
    assert all(verdict.endswith(", but test data are shared") for verdict in told)
    assert 'class="verdict holds"' not in page
    assert page.count("but test data are shared</span>") == len(told)


def test_sets_and_detectors_are_defined_where_they_are_first_named(tiny_run):
    page = tiny_run.report.read_text(encoding="utf-8")
    body = page[page.index("<main>") :]
    sets = next(rows for caption, rows in tables_of(body).items() if "The sets, by" in caption)
    key = body[: body.index("</table>")]
    for name in tiny_run.results.scored:
        assert re.search(rf"\b{name}\b", body).start() < len(key), name
    by_name = {row[0]: row[1:] for row in sets[1:]}
    test = data.Splits.load(tiny_run.folder / "splits" / "FS.csv").test
    videos = test.groupby("label")["video"].nunique()
    people = {*test["target_identity"], *test["source_identity"].dropna()}
    assert by_name["FS"][:3] == ["unseen; a few images of it in fine-tuning", "FF++", "FaceSwap"]
    counted = [len(test), videos[0], videos[1], len(people), 0]
    assert by_name["FS"][-5:] == [str(number) for number in counted]
    assert by_name["CELEB-M"][0] == "same method as CELEB"
    # A detector is named with what it was trained on, in Table IV at the latest.
    assert 0 < body.index("Table IV:") < body.index("Table V:")
    before = body[: body.index("Table IV:")]
    assert all(
        "(trained on " in before[at.end() :][:13] for at in re.finditer(r"MesoNet\d", before)
    )


def test_every_number_of_the_papers_tables_has_its_interval(tiny_run, monkeypatch):
    # The tiny sets have fewer videos than an interval is made of.
    monkeypatch.setattr(resampling, "FEWEST", 2)
    results = RunResults(tiny_run.folder, tiny_run.config, tiny_run.results.records)
    for number, metric, unit in (("IV", "accuracy", "frame"), ("V", "auc", "video")):
        plain, found = (
            results.table(number, metric, unit),
            results.with_intervals(number, metric, unit),
        )
        for column in plain.select_dtypes("float"):
            np.testing.assert_array_equal(found[column], plain[column])
            low, high = found[f"{column}_low"], found[f"{column}_high"]
            assert ((low <= plain[column] + 1e-9) & (plain[column] <= high + 1e-9)).all()
    # By hand, of the replicates of every set.
    row = results.with_intervals("V").set_index("detector").loc["MesoNet2"]
    (drawn,) = results.trainings
    mean = np.mean([drawn["MesoNet2", key] for key in UNSEEN], axis=0)
    interval = drawn.interval(mean, UNSEEN, within=(0.0, 100.0))
    assert (row["average_low"], row["average_high"]) == pytest.approx((interval.low, interval.high))
    lost = drawn.interval(drawn["MesoNet2", "CELEB"] - mean, ("CELEB", *UNSEEN))
    assert row["degradation_low"] == pytest.approx(lost.low)
    # What the page and the files say where there are too few videos.
    cells = tables_of(tiny_run.report.read_text(encoding="utf-8"))
    table = next(rows for caption, rows in cells.items() if caption.startswith("Table V: "))
    assert all(cell.endswith("no CI") for row in table[1:] for cell in row[3:])
    numbers, ends = apart(results.with_intervals("V"))
    assert list(numbers) == list(results.table("V"))
    assert set(ends) == {"original_accuracy", *UNSEEN, "average", "degradation"}
    for suffix in ("md", "tex"):
        file = tiny_run.folder / "tables" / f"table_v_intervals.{suffix}"
        assert "In brackets: 95" in file.read_text(encoding="utf-8")


def test_an_eer_grows_as_a_detector_gets_worse(tiny_run):
    drawn = tiny_run.results.trainings[0].of("auc")
    eer = dataclasses.replace(
        drawn,
        metric="eer",
        numbers={(*key[:2], "eer"): value for key, value in drawn.numbers.items()},
    )
    pairs = {("MesoNet1", "CELEB"): 1.0, ("MesoNet1", "FS"): -1.0}
    assert interval_of([eer], pairs).estimate == -interval_of([drawn], pairs).estimate


def test_what_helps_is_shown_with_its_unit_intervals_and_what_each_kind_was_shown(tiny_run):
    tables = tables_of(tiny_run.report.read_text(encoding="utf-8"))
    (caption,) = (caption for caption in tables if caption.startswith("What helps"))
    assert "Transfer and merge were shown images of the few-shot sets" in caption
    title, *rows = tables[caption]
    assert [row[0] for row in rows] == ["transfer", "merge"]
    assert title[2] == "Home (% points) 95 % CI"
    first = tiny_run.results.table("IV").set_index("detector")["original_accuracy"]
    gained = float(rows[0][2].removesuffix(" no CI"))
    assert gained == pytest.approx(first["MesoNet2"] - first["MesoNet1"])
    drawn = {file.name for file in (tiny_run.folder / "figures").glob("what_helps*")}
    assert drawn == {"what_helps.png", "what_helps.svg", "what_helps_narrow.svg"}
    assert "What each kind of detector gains" in tiny_run.report.read_text(encoding="utf-8")


def test_curves_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat([0, 1], 40))
    scores = np.round(np.clip(0.3 * labels + 0.7 * random.random(80), 0, 1), 1)  # Many are equal.
    false, hits, _ = metrics.roc_curve(labels, scores)
    np.testing.assert_allclose(curves.roc_points(labels, scores), np.column_stack([false, hits]))
    shares, means = calibration_curve(labels, scores, n_bins=10)
    found = np.array(curves.reliability(labels, scores))
    np.testing.assert_allclose(found[:, :2], np.column_stack([means, shares]))
    assert found[:, 2].sum() == 80
    bars = curves.score_bars(labels, scores)
    np.testing.assert_allclose(bars.sum(axis=1), 100.0)
    assert bars[1, 19] == 100 * np.mean(scores[labels == 1] >= 0.95)


def test_the_panels_draw_the_curves(tiny_run):
    drawn = curves.draw_curves(tiny_run.results)["MesoNet1"]
    text = (tiny_run.folder / "figures" / "curves_MesoNet1.svg").read_text(encoding="utf-8")
    assert text in curves_svg(drawn) + "\n"
    assert text.count("<svg ") == text.count("</svg>") == 1
    for name, points in drawn.roc.items():
        (line,) = re.findall(rf'data-set="{name}" points="([^"]*)"', text)
        shown = np.array([point.split(",") for point in line.split()], float)
        unit = np.column_stack([(shown[:, 0] - 40) / 250, 1 - (shown[:, 1] - 24) / 170])
        np.testing.assert_allclose(unit, points, atol=1e-3)
    for home, ranking, moved, left in drawn.losses.values():
        assert home - ranking - moved == pytest.approx(left)
    widths = re.findall(r'data-lost="ranking" x="[\d.]+" y="[\d.]+" width="([\d.]+)"', text)
    lost = [abs(ranking) for _, ranking, *_ in drawn.losses.values()]
    assert np.corrcoef(np.array(widths, float), lost)[0, 1] > 0.999


def test_the_page_says_what_which_sets_share_on_purpose_and_why(tiny_run):
    tables = tables_of(tiny_run.report.read_text(encoding="utf-8"))
    (rows,) = (rows[1:] for caption, rows in tables.items() if "share on purpose" in caption)
    found = {(first, second): (*counts, why) for first, second, *counts, why in rows}
    splits = {name: data.Splits.load(tiny_run.folder / "splits" / f"{name}.csv") for name in SETS}
    known = splits["F2F"].train
    for name in ("FS-I", "NT-I"):
        test = splits[name].test
        shared = set(known["target_identity"]) & set(test["target_identity"])
        counted, _, _, why = found["F2F train", f"{name} test"]
        assert int(counted) == len(shared) > 0
        assert why == "Table VII asks whether known people make it easier"
    assert found["FS train", "NT train"][-1].startswith("the few-shot images")
    assert "only the method differs" in found["FS test", "DF test"][-1]
    assert len(found) == len(rows)


def test_the_page_explains_its_words_where_they_come_first(tiny_run):
    text = tiny_run.report.read_text(encoding="utf-8")
    for place in (text, text[text.index("<figcaption>Figure 3") :]):
        explained = (
            r"congenetic detectors[,( ]+an original one and the two\s+(that were )?fine-tuned"
        )
        first = place.index("congenetic")
        assert re.match(explained, place[first:]), place[first : first + 90]


@pytest.mark.parametrize(
    ("architectures", "said"),
    [
        (("mesonet", "shallownet"), []),
        (("mesonet", "xception"), ["XceptionNet"]),
        (("xception", "efficientnet_b0"), ["XceptionNet", "EfficientNet"]),
    ],
)
def test_only_networks_that_were_run_are_spoken_of(tiny_config, architectures, said):
    config = dataclasses.replace(tiny_config, image_size=72, architectures=architectures)
    assert without_neurons(config) == said


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (12.345, 10.0, 14.0, "12.35 [10.00, 14.00]"),
        (3.0, math.nan, math.nan, "3"),
        (0.0001, math.nan, math.nan, "below 0.01"),
        (2.5, math.nan, math.nan, "2.50"),
    ],
)
def test_a_fact_has_its_interval_where_there_is_one(value, low, high, said):
    written = environment().get_template("macros.html").module.number(Interval(value, low, high))
    assert str(written).strip() == said


def test_what_is_shared_is_counted_by_pair_and_kind_where_it_is_meant():
    rows = [
        ("identity", "F2F train", "FS-I test", True),
        ("identity", "F2F train", "FS-I test", True),
        ("video", "F2F train", "FS-I test", True),
        ("near_duplicate", "CELEB test", "CELEB-M test", True),
        ("video", "FS test", "F2F train", False),
    ]
    findings = pd.DataFrame(rows, columns=["kind", "set_a", "set_b", "by_design"])
    shared = count_shared(findings)
    assert shared == [
        {
            "set_a": "F2F train",
            "set_b": "FS-I test",
            "identity": 2,
            "video": 1,
            "near_duplicate": 0,
        },
        {"set_a": "CELEB test", "set_b": "CELEB-M test"}
        | {"identity": 0, "video": 0, "near_duplicate": 1},
    ]
    assert shared_table(shared)["Because"].str[:9].tolist() == ["Table VII", "Table VI "]
    assert count_shared(findings.iloc[:0]) == []
    assert shared_table([]).empty


def test_text_is_escaped():
    frame = pd.DataFrame({"detector": ["<script>alert(1)</script>"], "FS": [51.5]})
    table = sortable_table(frame, "a < b")
    assert "<script>" not in table
    assert "a &lt; b" in table
    assert "51.50" in table


def test_what_has_no_rank_has_a_dash_on_the_page():
    frame = pd.DataFrame({"rank": pd.array([1, None], "Int64"), "detector": ["mine", "coin"]})
    assert tables_of(sortable_table(frame, "V."))["V."][1:] == [["1", "mine"], ["-", "coin"]]


def test_a_table_without_rows_says_so():
    nothing = pd.DataFrame({"detector": []})
    assert "None does." in sortable_table(nothing, "VI.", "None does.")


@pytest.mark.slow
def test_no_width_breaks_it_and_axe_finds_nothing(leaky, browse, tmp_path):
    """At the width of a phone, a tablet and a desktop, with all that can be opened open."""
    axe = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("needs axe-core: npm install axe-core")
    page = leaky.report.read_text(encoding="utf-8")
    told = (
        "<script>for (const each of document.querySelectorAll('details')) each.open = true;"
        "axe.run(document, {resultTypes: ['violations']}).then(found => parent.postMessage({"
        "over: document.documentElement.scrollWidth - innerWidth, width: innerWidth,"
        "broken: [...document.images].filter(image => !image.naturalWidth).length,"
        "serious: found.violations.filter(each => /serious|critical/.test(each.impact))"
        ".map(each => each.id), rules: found.passes.length}, '*'));</script>"
    )
    script = f"<script>{axe.read_text(encoding='utf-8')}</script>{told}"
    for name, text in (("whole", page), ("broken", page.replace('alt="', 'data-alt="'))):
        inner = tmp_path / f"{name}.html"
        inner.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
    outer = tmp_path / "outer.html"
    frames = [("whole", 390), ("whole", 820), ("whole", 1400), ("broken", 1400)]
    outer.write_text(
        "<!doctype html><script>onmessage = told => {document.body.append("
        "JSON.stringify(told.data) + '\\n');};</script>"
        + "".join(f'<iframe src="{of}.html" style="width:{px}px"></iframe>' for of, px in frames)
    )
    seen = browse(outer, "--dump-dom", "--virtual-time-budget=60000")
    assert "CONSOLE" not in seen.stderr
    found = [json.loads(line) for line in re.findall(r"\{\"over.*?\}(?=\n)", seen.stdout)]
    assert sorted(each["width"] for each in found) == [390, 820, 1400, 1400]
    assert {each["over"] for each in found} == {0}
    assert {each["broken"] for each in found} == {0}
    assert sorted(each["serious"] for each in found) == [[], [], [], ["image-alt"]]


@pytest.mark.slow
def test_a_click_on_a_heading_sorts_by_value(tiny_run, browse, tmp_path):
    frame = pd.DataFrame({"detector": ["a", "b", "c"], "FS": [9.5, 100.0, 50.25]})
    table = sortable_table(frame, "A table.")
    page = tmp_path / "table.html"
    text = tiny_run.report.read_text(encoding="utf-8")
    text = re.sub("<main>.*</main>", f"<main>{table}</main>", text, flags=re.DOTALL)
    click = (
        "<script>const head = document.querySelectorAll('th button')[1]; head.click();"
        "const names = () => [...document.querySelectorAll('tbody tr')]"
        ".map(row => row.cells[0].textContent).join('');"
        "document.body.dataset.up = names(); head.click(); document.body.dataset.down = names();"
        "</script>"
    )
    page.write_text(text.replace("</body>", f"{click}</body>"), encoding="utf-8")
    found = browse(page, "--dump-dom").stdout
    assert 'data-up="acb"' in found
    assert 'data-down="bca"' in found


@pytest.mark.slow
def test_on_paper_there_is_nothing_to_click(tiny_run, browse, tmp_path):
    page = tmp_path / "paper.html"
    shown = (
        "const shown = place => getComputedStyle(document.querySelector(place)).display;"
        "const three = () => ['.screen', 'nav', 'h2'].map(shown).map(how => how != 'none');"
    )
    # The browser prints by the rules for print; here they are made to hold on the screen.
    as_on_paper = (
        "for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)"
        " if (rule.media && rule.media.mediaText == 'print') rule.media.mediaText = 'all';"
    )
    check = (
        f"<script>{shown} document.body.dataset.screen = three(); {as_on_paper}"
        " document.body.dataset.paper = three();</script>"
    )
    text = tiny_run.report.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"{check}</body>"), encoding="utf-8")
    found = browse(page, "--dump-dom").stdout
    assert 'data-screen="true,true,true"' in found
    assert 'data-paper="false,false,true"' in found
