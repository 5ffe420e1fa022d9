"""What runs cost: means over runs, and minutes for the source project's epoch."""

import pytest

from kdbook.study.arms import Run
from kdbook.study.training_costs import costs, render


def entry(rate, seconds, crop=128, device="CPU", teacher=None):
    return {
        "device": device,
        "settings": {"network": "student", "teacher": teacher},
        "precision": "float32",
        "budget": {"crop": crop},
        "images_per_second": rate,
        "training_seconds": seconds,
    }


RUNS = {
    Run("x", "scratch", 0): entry(100.0, 10.0),
    Run("x", "scratch", 1): entry(140.0, 8.0),
    Run("x", "distilled", 0): entry(34.8, 30.0, crop=256, teacher="trained"),
    Run("x", "distilled", 1): entry(348.0, 3.0, crop=256, teacher="trained", device="GPU"),
}


def test_costs_are_means_over_the_runs_of_an_arm_on_a_device():
    scratch, cpu, gpu = costs(RUNS)
    assert (scratch.crops_per_second, scratch.seconds, scratch.runs) == (120.0, 9.0, 2)
    assert not scratch.taught and cpu.taught
    assert (cpu.device, cpu.seconds, gpu.device, gpu.seconds) == ("CPU", 30.0, "GPU", 3.0)


def test_an_epoch_of_the_source_project():
    scratch, cpu, _ = costs(RUNS)
    # A patch of 256 × 256 has the pixels of four crops of 128 × 128.
    assert scratch.source_epoch_minutes == pytest.approx(1044 * 4 / 120 / 60)
    assert cpu.source_epoch_minutes == pytest.approx(0.5)


def test_the_text_names_the_source_projects_figure():
    lines = render(costs(RUNS)).splitlines()
    assert [line.split()[0] for line in lines] == ["CPU", "scratch", "distilled", "GPU"] + [
        "distilled",
        "The",
    ]
    assert lines[1].split()[1:3] == ["9", "120.0"]
    assert "15 to 20 minutes for an epoch of 1,044 such patches" in lines[-1]


def test_nothing_recorded():
    with pytest.raises(ValueError, match="nothing is recorded yet"):
        costs({})
