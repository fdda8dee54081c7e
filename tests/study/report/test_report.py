"""The report as a reader meets it: in a browser, whole, sortable, and marked as synthetic."""

import dataclasses
import json
import re
import shutil

import pandas as pd
import pytest

from deepfake_generalize import data, study
from deepfake_generalize.study.protocol.sharing import count_shared, shared_table
from deepfake_generalize.study.report.sections import counts, environment, not_compared

SETS = ("F2F", "FS-I", "NT-I")


def sortable_table(frame: pd.DataFrame, caption: str, empty: str = "") -> str:
    """Return a table as the page has it."""
    return environment().get_template("macros.html").module.sortable_table(frame, caption, empty)


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


def test_what_sets_share_that_should_not_is_told_at_the_top_of_the_audit(tiny_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.folder, copy, ignore=shutil.ignore_patterns("data", "detectors"))
    records = copy / "records" / "data.jsonl"
    (record,) = map(json.loads, records.read_text(encoding="utf-8").splitlines())
    leak = {"kind": "identity", "what": "004", "set_a": "CELEB train", "set_b": "FS test"}
    record["audit"] |= {"leaks": 1, "first_leaks": [leak]}
    records.write_text(json.dumps(record) + "\n", encoding="utf-8")
    said = study.publish(copy).report.read_text(encoding="utf-8")
    assert "identity 004 between CELEB train and FS test" in said
    assert "No video, no person" not in said


def test_the_page_says_what_which_sets_share_on_purpose_and_why(tiny_run):
    (table,) = re.findall(
        r"<caption>What sets share on purpose.*?</table>",
        tiny_run.report.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
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
        (("mesonet", "shallownet"), None),
        (("mesonet", "xception"), "XceptionNet has a single dense layer"),
        (("xception", "efficientnet_b0"), "XceptionNet and EfficientNet have a single dense layer"),
    ],
)
def test_only_networks_that_were_run_are_spoken_of(tiny_config, architectures, said):
    config = dataclasses.replace(tiny_config, image_size=72, architectures=architectures)
    text = not_compared(config)
    assert (said or "") in text
    assert ("single dense layer" in text) == (said is not None)


def test_the_parts_of_a_set_are_told_in_the_order_of_their_use():
    assert counts({"test": 2000, "train": 16000, "val": 0}) == "train 16,000, test 2,000"


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
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", sortable_table(frame, "V."))
    assert cells == ["1", "mine", "-", "coin"]


def test_a_table_without_rows_says_so():
    nothing = pd.DataFrame({"detector": []})
    assert "None does." in sortable_table(nothing, "VI.", "None does.")


@pytest.mark.slow
def test_a_browser_shows_it_without_complaint(tiny_run, browse, tmp_path):
    seen = browse(tiny_run.report, "--dump-dom")
    assert "CONSOLE" not in seen.stderr
    assert "</html>" in seen.stdout
    page = tmp_path / "checked.html"
    check = (
        "<script>document.body.dataset.broken = [...document.images]"
        ".filter(image => !image.complete || !image.naturalWidth).length;"
        "document.body.dataset.images = document.images.length;</script>"
    )
    text = tiny_run.report.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"{check}</body>"), encoding="utf-8")
    found = browse(page, "--dump-dom", "--virtual-time-budget=5000").stdout
    assert 'data-broken="0"' in found
    assert 'data-images="3"' in found


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
def test_nothing_sticks_out_on_a_phone(tiny_run, browse, tmp_path):
    page = tmp_path / "narrow.html"
    check = (
        "<script>document.body.dataset.over = "
        "document.documentElement.scrollWidth - document.documentElement.clientWidth;</script>"
    )
    text = tiny_run.report.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"{check}</body>"), encoding="utf-8")
    found = browse(page, "--dump-dom", "--window-size=400,800", "--virtual-time-budget=5000")
    assert 'data-over="0"' in found.stdout


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
