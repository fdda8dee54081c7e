"""Tables VI and VII of a benchmark: sets that share the method or the people."""

import functools

import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import benchmark as full_benchmark
from deepfake_generalize.study import published

UNSEEN = ["FS", "NT", "DF", "DFD"]
# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


@pytest.fixture
def specialized(scores_with):
    """Return a function from a degradation to a benchmark with all three specialized sets."""

    def make(lost: float, **options):
        special = {"CELEB-M": 80.0, "FS-I": 60.0, "NT-I": 55.0}
        return benchmark(
            "mine",
            original=scores_with(50 + lost),
            unseen={name: scores_with(50) for name in UNSEEN},
            specialized={name: scores_with(value) for name, value in special.items()},
            **options,
        )

    return make


@pytest.mark.parametrize(("table", "special"), [("VI", ["CELEB-M"]), ("VII", ["FS-I", "NT-I"])])
def test_specialized_sets_give_a_row_of_tables_vi_and_vii(
    scores_with, table: str, special: list[str]
) -> None:
    printed = published(table)
    row = printed.iloc[0]
    result = benchmark(
        row["detector"],
        original=scores_with(row["original_accuracy"]),
        unseen={name: scores_with(row[name]) for name in UNSEEN},
        specialized={name: scores_with(row[name]) for name in special},
    )
    assert list(result.row.columns) == list(printed.columns[1:])
    for column in printed.columns[2:]:
        assert result.row[column].item() == pytest.approx(row[column], abs=0.005 + 1e-9)


def test_tables_vi_and_vii_hold_their_own_sets(specialized) -> None:
    result = specialized(40.0)
    sixth, seventh = result.frame("VI"), result.frame("VII")
    assert list(sixth.columns) == list(published("VI").columns[1:])
    assert list(seventh.columns) == list(published("VII").columns[1:])
    assert sixth["specialized_degradation"].item() == 10
    assert sixth["degradation_difference"].item() == 30
    assert seventh["specialized_average"].item() == 57.5
    assert seventh["degradation_difference"].item() == 7.5
    assert list(result.frame("V").columns) == list(published("V").columns)
    assert (
        result.table("csv", number="VII").splitlines()[1].endswith("60.00,55.00,57.50,32.50,7.50")
    )


@pytest.mark.parametrize(("lost", "empty"), [(30.0, True), (30.05, False)])
def test_only_detectors_that_degrade_by_more_than_thirty_points_enter(
    specialized, lost: float, empty: bool
) -> None:
    result = specialized(lost)
    for number in ("VI", "VII"):
        assert len(result.frame(number)) == (0 if empty else 1)
        assert bool(result.why_empty(number)) == empty
    assert len(result.row) == len(result.frame("V")) == 1


@pytest.mark.parametrize(
    "table_format",
    [
        "text",
        *(pytest.param(kind, marks=pytest.mark.nightly) for kind in ("markdown", "latex", "html")),
    ],
)
def test_an_empty_table_says_so_in_every_format(specialized, table_format: str) -> None:
    page = specialized(20.0).table(table_format, number="VI")
    assert "No row: no detector degrades by more than 30 points: mine degrades by 20.00." in page
    assert "CELEB-M" in page
    assert specialized(20.0).table("csv", number="VI").count("\n") == 0


@pytest.mark.parametrize(("name", "other"), [("CELEB", "VII"), ("F2F", "VI")])
def test_what_a_detector_was_trained_on_decides_its_table(specialized, name, other) -> None:
    result = specialized(40.0, trained_on={name: None})
    assert result.training_dataset == name
    own = {"VI": "VII", "VII": "VI"}[other]
    assert len(result.frame(own)) == 1
    assert result.frame(other).empty
    assert f"mine was trained on {name}" in result.table("text", number=other)


def test_sets_of_other_names_enter_the_table_that_is_asked_for(scores_with) -> None:
    unseen = {"U": scores_with(50)}
    result = benchmark(
        "x", original=scores_with(90), unseen=unseen, specialized={"S": scores_with(70)}
    )
    for number in ("VI", "VII"):
        assert result.frame(number)["degradation_difference"].item() == 20
    none = benchmark("x", original=scores_with(90), unseen=unseen)
    assert "measured on no specialized set of Table VII (FS-I, NT-I)" in none.table("text", "VII")
    with pytest.raises(InputError, match="expected number to be one of V, VI, VII, received 'IV'"):
        none.table("text", number="IV")
