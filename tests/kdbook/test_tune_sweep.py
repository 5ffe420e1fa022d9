"""What a sweep can tell, on numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from kdbook.study.arms import Run
from kdbook.study.plans import find
from kdbook.tune import chance, sweep
from kdbook.tune.sweep import Sweep


def grid(scores):
    scores = np.asarray(scores, float)
    return Sweep(
        tuple(range(scores.shape[0])),
        tuple(2.0**place for place in range(scores.shape[1])),
        tuple(range(scores.shape[2])),
        scores,
    )


def test_the_noise_is_the_residual_of_a_two_way_table():
    rng = np.random.default_rng(0)
    seeds, cells = rng.normal(size=4), rng.normal(size=(2, 3))
    pure = grid(cells[..., None] + seeds)
    assert chance.noise(pure) == (pytest.approx(0, abs=1e-12), 5 * 3)
    noisy = pure.scores + rng.normal(0, 0.1, (2, 3, 4))
    flat = noisy.reshape(6, 4)
    design = np.hstack([np.kron(np.eye(6), np.ones((4, 1))), np.tile(np.eye(4), (6, 1))])
    rest = np.linalg.lstsq(design, flat.ravel(), rcond=None)[0]
    squares = ((flat.ravel() - design @ rest) ** 2).sum()
    assert chance.noise(grid(noisy))[0] == pytest.approx(np.sqrt(squares / 15))


def test_the_least_difference_is_students():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    deviation, freedom = chance.noise(grid(scores))
    for comparisons in (1, 5):
        expected = stats.t.ppf(1 - 0.025 / comparisons, freedom) * deviation * np.sqrt(2 / 4)
        assert chance.least_difference(grid(scores), comparisons) == pytest.approx(expected)


def test_ties_and_gaps():
    scores = np.array([[[0.50, 0.52], [0.51, 0.51], [0.10, 0.12], [0.5, np.nan]]])
    found = grid(scores)
    assert chance.tied(found).tolist() == [[True, True, False, False]]
    assert found.best() in ((0, 1.0), (0, 2.0))
    assert found.complete.tolist() == [[True, True, True, False]]
    assert np.isnan(found.means[0, 3])
    assert sweep.whole(found).temperatures == (1.0, 2.0, 4.0)
    rows = sweep.whole(grid([[[1, 2], [3, 4], [5, 6]], [[1, 2], [np.nan, 4], [np.nan, 6]]]))
    assert (rows.alphas, rows.temperatures) == ((0,), (1.0, 2.0, 4.0))
    assert rows.scores.tolist() == [[[1, 2], [3, 4], [5, 6]]]


def test_chance_keeps_seeds_and_the_other_setting_apart():
    scores = np.arange(12.0).reshape(2, 3, 2)
    found = grid(scores)
    rng = np.random.default_rng(0)
    # A mean over T of shuffled values of the same α and seed: the spread over α stays.
    assert chance.spread(rng.permuted(scores, axis=1), 0) == chance.spread(scores, 0) == 6
    # Two values of α, one seed, one T: either order has the same spread.
    assert set(chance.by_chance(grid(scores[:, :1, :1]), 0, 5, rng)) == {6.0}
    # Exactly: two α and one seed over three T have 36 equally likely ways.
    ways = [
        np.ptp((np.array(a) + np.array(b)) / 2)
        for a in itertools.permutations(scores[0, :, 0])
        for b in itertools.permutations(scores[1, :, 0])
    ]
    drawn = chance.by_chance(grid(scores[:, :, :1]), 1, 4000, rng)
    assert drawn.mean() == pytest.approx(np.mean(ways), abs=0.05)
    assert chance.by_chance(found, 1, 3, np.random.default_rng(0)).shape == (3,)


CONFUSION = np.diag([1, 2, 3, 4, 5, 0]).tolist()


def recorded(arms, seed):
    return {Run("sweep", arm, seed): {"validation": {"confusion": CONFUSION}} for arm in arms}


def test_a_sweep_is_made_of_recorded_runs():
    found = sweep.from_record(recorded(["t4-alpha0p3", "alpha1"], 1))
    assert (found.alphas, found.temperatures, found.seeds) == ((0.3,), (4.0,), (1,))
    assert found.scores.tolist() == [[[1.0]]]
    assert found.alone["alpha1"][0] == 1.0 and np.isnan(found.alone["scratch"]).all()
    names = {arm.name for arm in find("sweep").arms}
    points = {sweep.point(t, a) for t in sweep.TEMPERATURES for a in sweep.ALPHAS}
    assert names == points | set(sweep.LABELS_ALONE)
    whole = sweep.from_record(recorded(names, 0) | recorded(names, 1))
    assert whole.complete.all() and whole.scores.shape == (3, 8, 2)


def test_of_an_unfinished_sweep_what_has_all_its_seeds_is_taken():
    some = [sweep.point(t, a) for t in (0.5, 2.0) for a in sweep.ALPHAS]
    runs = recorded([*some, "t4-alpha0"], 0) | recorded(some, 1)
    found = sweep.from_record(runs)
    assert (found.temperatures, found.seeds) == ((0.5, 2.0), (0, 1)) and found.complete.all()
    assert sweep.from_record(runs | recorded(some[:2], 2)).seeds == (0, 1)  # 12 runs, not 6
    assert sweep.from_record(runs | recorded(some, 2)).seeds == (0, 1, 2)
    # Two seeds rather than one, even if that leaves few points.
    found = sweep.from_record(recorded(some, 0) | recorded(some[:1], 1))
    assert (found.seeds, found.scores.shape) == ((0, 1), (1, 1, 2))


def test_a_plateau_is_found_on_the_means_over_the_other_setting():
    rng = np.random.default_rng(0)
    values = np.array([0.0, 0.5, 1.0, 1.0])
    found = grid(values[None, :, None] + rng.normal(0, 0.1, (3, 4, 3)))
    means, among = chance.plateau(found, axis=1)
    np.testing.assert_allclose(means, found.scores.mean(axis=(0, 2)))
    assert among.tolist() == [False, False, True, True]
    deviation, freedom = chance.noise(found)
    least = stats.t.ppf(1 - 0.025 / 3, freedom) * deviation * np.sqrt(2 / 9)
    assert ((means.max() - means < least) == among).all()
    assert chance.plateau(found, axis=0)[1].tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grid(np.full((1, 1, 2), np.nan)).best(), "no point of the sweep has all its"),
        (lambda: sweep.whole(grid(np.full((1, 1, 2), np.nan))), "no α and no temperature of"),
        (lambda: chance.noise(grid(np.ones((1, 1, 3)))), "1 points have all of 3 seeds"),
        (lambda: chance.noise(grid(np.ones((2, 2, 1)))), "4 points have all of 1 seeds"),
    ],
)
def test_too_little_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
