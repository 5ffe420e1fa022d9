"""Gain against length: what the same arms reach when they are trained anew for more steps."""

from kdbook.study import arm_table, plans
from kdbook.study.record import RESULTS

FAMILIES = ("labels", "distilled", "decisions")


def by_length(folder=RESULTS):
    """Return the mean IoU on the test images of each arm at each length, as far as it is recorded.

    Of each length the seeds count that all its arms have, so that pairs stay pairs.

    - ``folder``: of the record, by default that of the library.
    - Returns dict of str to dict of int to dict of int to float: arm, steps, seed.

    >>> sorted(by_length())
    ['decisions', 'distilled', 'labels']
    """
    found = {}
    for plan in (plans.PATIENCE_LENGTH, plans.PATIENCE):
        for row in arm_table.table(plan, arm_table.read(plan, folder)):
            family = row.arm.partition("-")[0]
            if row.score == "mean IoU" and family in FAMILIES:
                steps = plan.arm(row.arm).recipe.steps
                found.setdefault(steps, {})[family] = dict(zip(row.seeds, row.values, strict=True))
    result = {family: {} for family in FAMILIES}
    for steps, arms in sorted(found.items()):
        common = sorted(set.intersection(*map(set, arms.values())))
        for family, values in arms.items():
            result[family][steps] = {seed: values[seed] for seed in common}
    return result
