"""In what order a study's families are begun, and what its steps weigh."""

import pytest

from deepfake_generalize.study import StudyConfig
from deepfake_generalize.study.experiment.detector_family import DetectorFamily, plan_steps
from deepfake_generalize.study.run import _in_order, _plan

SETS = ("CELEB", "F2F", "FS", "NT", "DF", "DFD", "CELEB-M", "FS-I", "NT-I", "NULL")
DEMO = StudyConfig.demo()
FAMILIES = [DetectorFamily(*pair) for pair in DEMO.families]


def weight(family):
    return sum(step.weight for step in plan_steps(DEMO, family, SETS))


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 4, 10])
def test_every_family_is_begun_once_and_the_slowest_first(n_jobs):
    order = _in_order(_plan(DEMO, SETS), n_jobs)
    assert sorted(order, key=str) == sorted(FAMILIES, key=str)
    assert weight(order[0]) == max(map(weight, FAMILIES))


def test_two_jobs_do_not_hold_both_of_the_largest():
    order = _in_order(_plan(DEMO, SETS), 2)
    assert order[0].architecture == "xception"
    second = next(place for place in range(1, 10) if order[place].architecture == "xception")
    assert sum(map(weight, order[1:second])) >= weight(order[0])


def test_more_epochs_weigh_more():
    paper = StudyConfig()
    for family in FAMILIES:
        long, short = (
            sum(step.weight for step in plan_steps(config, family, SETS) if step.kind == "detector")
            for config in (paper, DEMO)
        )
        assert long > 50 * short
    assert weight(DetectorFamily("xception", "CELEB")) > 5 * weight(
        DetectorFamily("mesonet", "CELEB")
    )
