"""What training says: a bar where something can be drawn over, a line an epoch elsewhere."""

import io

import pytest
from rich.console import Console

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import RECIPES
from deepfake_generalize.models.training import TrainOptions
from deepfake_generalize.models.training.progress import SILENT, _Bar, _Lines, make_reporter

VALUES = {"loss": 0.25, "accuracy": 0.5, "val_loss": 0.3, "val_accuracy": 0.75}
SHOWN = "loss 0.2500  accuracy 0.5000  val_loss 0.3000  val_accuracy 0.7500"


def _tell(reporter):
    for beginning in range(2):  # a training may begin again
        reporter.begin(title="mesonet", epochs=12, done=beginning)
        reporter.batch(0.5)
        reporter.epoch(beginning + 1, VALUES, best=1, seconds=2.04)
        reporter.end("complete after epoch 12: best 1, 0.7500")


def test_a_log_gets_whole_lines(capsys):
    _tell(make_reporter("lines"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "mesonet: 12 epochs",
        f"epoch  1/12  {SHOWN}  2.0 s  best 1",
        "complete after epoch 12: best 1, 0.7500",
        "mesonet: going on after epoch 1 of 12",
        f"epoch  2/12  {SHOWN}  2.0 s  best 1",
        "complete after epoch 12: best 1, 0.7500",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_fits_the_terminal_and_says_the_main_things(width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    _tell(_Bar(console))
    shown = console.file.getvalue()
    assert "mesonet" in shown
    assert "val_accuracy 0.7500" in shown
    assert "2/12" in shown
    assert "complete after epoch 12: best 1, 0.7500" in shown


def test_auto_draws_nothing_where_there_is_no_terminal(capsys):
    assert isinstance(make_reporter("auto"), _Lines)
    assert isinstance(make_reporter("lines"), _Lines)
    assert isinstance(make_reporter("bar"), _Bar)
    assert make_reporter(None) is SILENT
    _tell(SILENT)
    assert capsys.readouterr() == ("", "")


def test_auto_draws_a_bar_in_a_terminal_and_in_a_notebook(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Console, "is_terminal", True)
        assert isinstance(make_reporter("auto"), _Bar)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    for found, kind in ((object(), _Bar), (None, _Lines)):
        monkeypatch.setattr("importlib.util.find_spec", lambda _, found=found: found)
        assert isinstance(make_reporter("auto"), kind)


def test_lines_in_a_notebook_do_not_look_like_a_fault(monkeypatch, capsys):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    _tell(make_reporter("lines"))
    out, err = capsys.readouterr()
    assert out.startswith("mesonet: 12 epochs")
    assert err == ""


@pytest.mark.parametrize("progress", ["loud", 1, True])
def test_other_choices_are_refused(progress):
    with pytest.raises(InputError, match="progress to be one of auto, bar, lines"):
        TrainOptions(RECIPES["mesonet"], progress=progress)
