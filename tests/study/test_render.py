"""Tables in every format: numbers as in the paper, names escaped as the format asks."""

import csv
import io
import random
import re
import shutil
import subprocess
from html import unescape

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.published import published
from deepfake_generalize.study.render import render, two_decimals

AWKWARD = r"a_b & 50% <i> | \x {y} #1 $ ~ ^"


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"rank": [7], "detector": [AWKWARD], "DFD": [51.745], "degradation": [-0.1]}
    )


def test_a_half_is_rounded_away_from_zero_as_decimals_not_as_floats() -> None:
    halves = [69.025, 92.675, 1.005, -0.475, 42.349999999999994, 100.0]
    assert [two_decimals(value) for value in halves] == [
        "69.03", "92.68", "1.01", "-0.48", "42.35", "100.00",
    ]  # fmt: skip


def test_markdown(frame: pd.DataFrame) -> None:
    assert render(frame, "markdown").splitlines() == [
        "| Rank | Detector | DFD | Degradation (% points) |",
        "| ---: | :--- | ---: | ---: |",
        r"| 7 | a\_b &amp; 50% &lt;i&gt; \| \\x {y} #1 $ \~ ^ | 51.75 | -0.10 |",
    ]


def test_latex(frame: pd.DataFrame) -> None:
    name = (
        r"a\_b \& 50\% \textless{}i\textgreater{} \textbar{} \textbackslash{}x \{y\} \#1 \$ "
        r"\textasciitilde{} \textasciicircum{}"
    )
    lines = render(frame, "latex", caption="a--b").splitlines()
    assert lines[3:11] == [
        r"\begin{tabular}{rlrr}",
        r"\toprule",
        r"Rank & Detector & DFD & \shortstack[r]{Degradation\\(\% points)} \\",
        r"\midrule",
        rf"7 & {name} & 51.75 & $-$0.10 \\",
        r"\bottomrule",
        r"\end{tabular}}}",
        r"\ifcsname @captype\endcsname\caption{a-{}-b}\else",
    ]


def test_intervals_stand_beside_the_numbers_or_below_them_and_apart_in_a_csv() -> None:
    frame = pd.DataFrame({"detector": ["a", "b"], "DFD": [51.745, float("nan")]})
    ends = {"DFD": ([-1.0, float("nan")], [60.0, float("nan")])}
    beside = render(frame, "latex", intervals=ends).splitlines()
    assert beside[7:9] == [r"a & 51.75 {\scriptsize [$-$1.00, 60.00]} \\", r"b & - \\"]
    wide = render(frame.assign(FS=1.0, NT=2.0), "latex", intervals=ends).splitlines()
    assert wide[7:9] == [
        r"a & 51.75 & 1.00 & 2.00 \\[-3pt]",
        r" & {\scriptsize [$-$1.00, 60.00]} &  &  \\",
    ]
    assert render(frame, "csv", intervals=ends).splitlines()[:2] == [
        "detector,DFD,DFD_low,DFD_high", "a,51.75,-1.00,60.00",
    ]  # fmt: skip
    assert "| a | 51.75 [-1.00, 60.00] |" in render(frame, "markdown", intervals=ends)


def test_in_a_narrow_column_many_intervals_are_set_below_in_two_rows_of_columns() -> None:
    frame = published("V").head(2)
    ends = {str(name): (of - 1, of + 1) for name, of in frame.select_dtypes("float").items()}
    lines = render(frame, "latex", intervals=ends).splitlines()
    start, middle = lines.index(r"\ifdim\linewidth<30em"), lines.index(r"\else")
    narrow, wide = lines[start:middle], lines[middle:]
    assert r"\begin{tabular}{rlrrrr}" in narrow
    assert r"1 & ShallowNet6 & 71.00 & 79.50 & 75.60 & 56.20 \\[-3pt]" in narrow
    assert r"1 & ShallowNet6 & 52.10 & 65.85 & 5.15 &  \\[-3pt]" in narrow
    assert narrow.count(r"\bottomrule") == wide.count(r"\bottomrule") == 1
    assert r"\begin{tabular}{rlrrrrrrr}" in wide
    many = published("V")
    ends = {str(name): (of - 1, of + 1) for name, of in many.select_dtypes("float").items()}
    assert render(many, "latex", intervals=ends).count(r"\begin{tabular}{rlrrrrrrr}") == 2


@pytest.mark.slow
def test_latex_fits_one_column_and_two_in_a_float_and_in_the_text(tmp_path) -> None:
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("needs pdflatex")
    hostile = published("V").head(2)
    hostile["detector"] = [AWKWARD + "--`` [1]", "[2cm]*"]
    frames = [
        hostile,
        pd.concat([published("V")] * 3),
        *(published(number) for number in ("IV", "V", "VI", "VII")),
    ]
    names = []
    for frame in frames:
        numbers = frame.select_dtypes("float")
        ends = {str(name): (of - 3.0, of + 3.0) for name, of in numbers.items()}
        for intervals in (None, ends):
            names.append(f"table{len(names)}")
            said = "50 % of a long | caption. " * 15
            table = render(frame, "latex", intervals=intervals, caption=said)
            (tmp_path / f"{names[-1]}.tex").write_text(table)
    floats = [
        rf"\begin{{{{{kind}}}}}\input{{{{{{0}}}}}}\end{{{{{kind}}}}}"
        for kind in ("table", "table*")
    ]
    for style in ("", "[twocolumn]"):
        parts = [part.format(name) for part in (*floats, r"\par\input{{{}}}\par") for name in names]
        parts.insert(2 * len(names), r"\clearpage\onecolumn")
        page = "\n\n".join(parts)
        head = rf"\documentclass{style}{{article}}\usepackage{{booktabs,graphicx}}"
        (tmp_path / "page.tex").write_text(rf"{head}\begin{{document}}{page}\end{{document}}")
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert not re.search("Overfull|too large", done.stdout)


def test_markdown_gives_any_name_back_and_nothing_else() -> None:
    # markdown-it-py comes with rich, which the command line is made with.
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    marks = r"\`*_~[]()|<>&#!-+=:.'$%^@{}" + '"'
    drawn = random.Random(0)
    names = ["".join(drawn.choices(marks + "ab \n", k=12)) for _ in range(300)]
    names += ["a\n| b |\n\n# c", "\\|", "a\\", "&amp;lt;", "<!-- x", "~~a~~", "![a](b)", "`|`"]
    text = render(pd.DataFrame({"detector": names}), "markdown", caption=" ".join(names))
    tokens = parser.parse(text)
    kinds = {token.type.rsplit("_", 1)[0] for token in tokens}
    assert kinds == {"paragraph", "inline", "table", "thead", "tbody", "tr", "th", "td"}
    inline = [token.children for token in tokens if token.type == "inline"]
    assert all(part.type in {"text", "text_special"} for cell in inline[1:] for part in cell)
    cells = ["".join(part.content for part in cell) for cell in inline]
    said = [" ".join(name.split()) for name in names]
    assert cells == [" ".join(" ".join(names).split()), "Detector", *said]


def test_html_gives_the_cells_back_and_lets_no_tag_through(frame: pd.DataFrame) -> None:
    page = render(frame, "html")
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>([^<]*)</td>", page)]
    assert cells == ["7", AWKWARD, "51.75", "-0.10"]
    tags = re.findall(r"</?(\w+)", page)
    assert set(tags) == {"table", "thead", "tbody", "tr", "th", "td"}


def test_csv_keeps_the_columns_names(frame: pd.DataFrame) -> None:
    rows = list(csv.reader(io.StringIO(render(frame, "csv"))))
    assert rows == [["rank", "detector", "DFD", "degradation"], ["7", AWKWARD, "51.75", "-0.10"]]


def test_text_is_aligned(frame: pd.DataFrame) -> None:
    title, row = render(frame.assign(detector="a"), "text").splitlines()
    assert title == "Rank  Detector    DFD  Degradation (% points)"
    assert row == "   7  a         51.75                   -0.10"


def test_an_unknown_format_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="markdown, latex, html, text, csv, received 'xml'"):
        render(frame, "xml")


def test_markdown_lets_no_link_picture_or_code_through() -> None:
    name = r"a\|b <img src=x onerror=alert(1)> [x](javascript:alert(1)) `c` *d*"
    line = render(pd.DataFrame({"detector": [name]}), "markdown").splitlines()[-1]
    assert line == (
        r"| a\\\|b &lt;img src=x onerror=alert(1)&gt; \[x\](javascript:alert(1)) \`c\` \*d\* |"
    )


def test_an_interval_is_no_link_in_markdown_unless_an_address_follows() -> None:
    row = {"a": ["75.00 [73.28, 77.17]"], "b": ["[1](x)"]}
    assert render(pd.DataFrame(row), "markdown").splitlines()[-1] == (
        r"| 75.00 [73.28, 77.17] | \[1\](x) |"
    )


@pytest.mark.parametrize("name", ["[2cm]x", "*", "*x", " [x"])
def test_no_name_is_an_argument_of_the_rule_before_it_in_latex(name: str) -> None:
    frame = pd.DataFrame({"detector": [name, name], "DFD": [1.0, 2.0]})
    rows = render(frame, "latex").splitlines()[7:9]
    assert all(row.startswith("{}" + name.strip()) for row in rows)
    titled = render(pd.DataFrame({name.strip(): ["a"]}), "latex").splitlines()
    assert titled[5] == "{}" + name.strip() + r" \\"
    stacked = render(pd.DataFrame({f"thirteen-long {name.strip()} behind": ["a"]}), "latex")
    assert r"\\{}" + name.strip() in stacked


@pytest.mark.parametrize("name", ['=HYPERLINK("http://evil","x")', "+1", "-x", "@a", " =1"])
def test_a_name_is_no_formula_in_a_program_for_tables(name: str) -> None:
    frame = pd.DataFrame({"detector": [name], name: [-1.5], "rank": ["-"]})
    title, row = csv.reader(io.StringIO(render(frame, "csv")))
    assert title == ["detector", f"'{name}", "rank"]
    assert row == [f"'{name}", "-1.50", "-"]


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html", "csv"])
def test_what_steers_a_terminal_is_shown_by_its_code_in_every_format(form: str) -> None:
    frame = pd.DataFrame({"detector": ["x\x1b[2J\r\u202e\ud800\a"]})
    table = render(frame, form, caption="\x1b]0;OWNED\a")
    assert all(char.isprintable() or char == "\n" for char in table)
    assert "u202e" in table
    table.encode()
