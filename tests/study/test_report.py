"""The report as a reader meets it: in a browser, whole, sortable, and marked as synthetic."""

import re

import pandas as pd
import pytest

from deepfake_generalize.study import report


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


def test_text_is_escaped():
    frame = pd.DataFrame({"detector": ["<script>alert(1)</script>"], "FS": [51.5]})
    table = report.sortable_table(frame, "a < b")
    assert "<script>" not in table
    assert "a &lt; b" in table
    assert "51.50" in table


def test_a_table_without_rows_says_so():
    nothing = pd.DataFrame({"detector": []})
    assert "None does." in report.sortable_table(nothing, "VI.", empty="None does.")


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
def test_a_click_on_a_heading_sorts_by_value(browse, tmp_path):
    frame = pd.DataFrame({"detector": ["a", "b", "c"], "FS": [9.5, 100.0, 50.25]})
    table = report.sortable_table(frame, "A table.")
    page = tmp_path / "table.html"
    text = report.page("t", "l", mark="", sections=[("Table", table)])
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
