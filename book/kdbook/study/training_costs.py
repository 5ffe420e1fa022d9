"""What the study cost: seconds and images a second, beside what the source project reports."""

import dataclasses

import numpy as np

SOURCE_PATCHES = 1044
"""Patches of 256 × 256 pixels in an epoch of the source project: 80 % of 1305."""

SOURCE_MINUTES = (15, 20)
"""Minutes that the source project reports for an epoch of its teacher without a GPU."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the training of one arm cost on one device.

    - ``taught``: whether a teacher looked at every crop too.
    - ``crop``: height and width of a crop, in pixels.
    - ``crops_per_second``: mean over the runs; the judging after each epoch is not counted.
    - ``seconds``: of training, mean over the runs.
    """

    device: str
    arm: str
    network: str
    precision: str
    taught: bool
    crop: int
    crops_per_second: float
    seconds: float
    runs: int

    @property
    def source_epoch_minutes(self):
        """Minutes for as many pixels as the source project's epoch has."""
        return SOURCE_PATCHES * (256 / self.crop) ** 2 / self.crops_per_second / 60


def costs(runs):
    """Return what each arm cost on each device.

    - ``runs``: dict of Run to dict. As :meth:`kdbook.study.record.Record.runs` returns it.
    - Returns list of Cost.
    - ``ValueError`` if nothing is recorded.
    """
    if not runs:
        raise ValueError("nothing is recorded yet, so nothing is known of the cost.")
    groups = {}
    for run, entry in runs.items():
        groups.setdefault((entry["device"], run.arm), []).append(entry)
    return [_cost(*key, entries) for key, entries in groups.items()]


def render(rows):
    """Return the rows as text, with the source project's figure in the last line."""
    width = max(len(row.arm) for row in rows)
    lines = []
    for device in dict.fromkeys(row.device for row in rows):
        lines.append(
            f"{device} · seconds of training a run · crops a second · minutes for "
            f"{SOURCE_PATCHES:,} patches of 256 × 256"
        )
        lines += [_line(row, width) for row in rows if row.device == device]
    low, high = SOURCE_MINUTES
    return "\n".join(
        [
            *lines,
            f"The source project reports {low} to {high} minutes for an epoch of "
            f"{SOURCE_PATCHES:,} such patches with its teacher, without a GPU.",
        ]
    )


def _cost(device, arm, entries):
    first = entries[0]
    return Cost(
        device,
        arm,
        first["settings"]["network"],
        first["precision"],
        first["settings"]["teacher"] is not None,
        first["budget"]["crop"],
        float(np.mean([entry["images_per_second"] for entry in entries])),
        float(np.mean([entry["training_seconds"] for entry in entries])),
        len(entries),
    )


def _line(row, width):
    what = f"{row.network}, {row.precision}{', taught' if row.taught else ''}"
    return (
        f"  {row.arm:{width}}  {row.seconds:7.0f}  {row.crops_per_second:6.1f} of "
        f"{row.crop} × {row.crop}  {row.source_epoch_minutes:6.1f}  ({what})"
    )
