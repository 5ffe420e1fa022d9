"""Searches on a table, against closed forms; brackets as in the paper; densities as in SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kdbook.study.plans import find
from kdbook.tune import anytime, density, engine, hyperband, replay, searchers, space
from kdbook.tune.replay import Ledger, Spent, Table

METHODS = [
    searchers.random_search,
    searchers.successive_halving,
    searchers.hyperband_search,
    searchers.bohb,
    searchers.tpe,
    searchers.tpe_hyperband,
]


def entry(arm, confusion, curve=(0.1, 0.2)):
    return {
        "budget": arm.budget(),
        "settings": arm.settings(),
        "curve": {"mean_iou": list(curve)},
        "validation": {"confusion": confusion},
        "training_seconds": 2.0,
    }


def configurations():
    return tuple(space.of_entry(entry(arm, None)) for arm in find("table").arms)


@pytest.fixture(scope="module")
def table():
    """Make a table on the configurations of the plan, with a made-up score."""
    chosen = configurations()
    points = np.array([each.unit() for each in chosen])
    rng = np.random.default_rng(1)
    final = 0.5 - (points[:, 0] - 0.6) ** 2 - 0.1 * points[:, 5] + rng.normal(0, 0.01, len(points))
    epochs = np.arange(1, 9)
    scores = final[:, None] * (1 - np.exp(-epochs / 3)) + rng.normal(0, 0.02, (len(points), 8))
    scores[:, -1] = final
    return Table(points, scores, chosen)


# The space.


def test_all_configurations_of_the_table_are_in_the_space():
    for chosen in configurations():
        assert space.RATES[0] <= chosen.learning_rate <= space.RATES[1]
        assert space.TEMPERATURES[0] <= chosen.temperature <= space.TEMPERATURES[1]
        assert chosen.batch_size in space.BATCH_SIZES
        assert chosen.momentum in (None, *space.MOMENTA)
        assert 0 <= chosen.dropout <= 0.5 and 0 <= chosen.alpha <= 1
        known = chosen.unit()[~np.isnan(chosen.unit())]
        assert len(known) == 7 - (chosen.momentum is None)
        assert (known >= 0).all() and (known <= 1).all()


def test_a_configuration_trains_as_its_row_did():
    for arm, chosen in zip(find("table").arms, configurations(), strict=True):
        made = chosen.arm(arm.name)
        assert made.recipe == arm.recipe
        assert made.settings() == arm.settings()


def test_a_missing_momentum_makes_no_distance():
    adam = space.Configuration(0.01, 8, None, 0.1, 0.5, 2.0)
    points = [space.Configuration(0.01, 8, m, 0.1, 0.5, 2.0).unit() for m in (None, 0.0, 0.98)]
    np.testing.assert_allclose(space.distances(adam.unit(), np.array(points)), [0, 1, 1])
    np.testing.assert_allclose(space.distances(points[1], np.array(points)), [1, 0, 1])


# Brackets.


def test_brackets_are_those_of_the_paper():
    """Li et al. (2018): R = 81, η = 3, by the formula of algorithm 1."""
    found = [[tuple(rung) for rung in rungs] for rungs in hyperband.brackets(81, eta=3)]
    assert found == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_brackets_of_eight_epochs():
    rungs = hyperband.brackets(8)
    assert [[tuple(rung) for rung in each] for each in rungs] == [
        [(8, 1), (4, 2), (2, 4), (1, 8)],
        [(6, 2), (3, 4), (1, 8)],
        [(4, 4), (2, 8)],
        [(4, 8)],
    ]
    # Counted by hand: 8 + 4 + 2·2 + 4, and so on.
    assert [hyperband.cost(each) for each in rungs] == [20, 22, 24, 32]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hyperband.brackets(10), "R is 10; expected a power of eta, such as 8"),
        (lambda: hyperband.brackets(8, eta=1), "eta is 1; expected 2 or more"),
        (lambda: hyperband.halving(4, 1, 8), "4 configurations are none after 3 cuts .* 8 or more"),
        (lambda: hyperband.halving(8, 0, 8), "epochs from 0 to 8; expected 1 or more"),
    ],
)
def test_impossible_brackets_are_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Densities.


def test_the_density_is_that_of_scipy():
    rng = np.random.default_rng(0)
    points, at = rng.normal(0.5, 0.2, (12, 1)), np.linspace(0, 1, 9)[:, None]
    expected = stats.gaussian_kde(points[:, 0], "scott")(at[:, 0])
    np.testing.assert_allclose(np.exp(density.log_density(at, points)), expected, rtol=1e-12)


def test_the_density_in_several_dimensions_is_a_mean_of_products():
    rng = np.random.default_rng(0)
    points, at, width = rng.random((5, 3)), rng.random((4, 3)), np.array([0.1, 0.2, 0.3])
    factors = stats.norm.pdf(at[:, None], points[None], width)
    found = density.log_density(at, points, width)
    np.testing.assert_allclose(np.exp(found), factors.prod(-1).mean(-1), rtol=1e-12)


def test_a_missing_coordinate_is_left_out_of_the_density():
    points, at = np.array([[0.2, np.nan], [0.4, 0.5]]), np.array([[0.3, 0.5]])
    width = np.array([0.1, 0.2])
    bumps = stats.norm.pdf(0.3, [0.2, 0.4], 0.1) * [1, stats.norm.pdf(0, 0, 0.2)]
    found = density.log_density(at, points, width)
    np.testing.assert_allclose(np.exp(found), [bumps.mean()], rtol=1e-12)


def test_a_density_far_away_does_not_underflow():
    found = density.log_density(np.array([[0.0]]), np.array([[1.0]]), np.array([0.01]))
    np.testing.assert_allclose(found, stats.norm.logpdf(100) - np.log(0.01), rtol=1e-12)


def test_a_density_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no points came"):
        density.log_density(np.zeros((1, 2)), np.zeros((0, 2)))


def test_points_that_coincide_have_the_narrowest_bandwidth():
    assert density.scott(np.ones((4, 2))).tolist() == [density.NARROWEST] * 2
    with_gap = np.array([[np.nan, 0.0], [np.nan, 1.0]])
    np.testing.assert_allclose(density.scott(with_gap)[0], density.NARROWEST)


def test_good_and_bad_overlap_while_there_are_few():
    good, bad = density.split(np.arange(5.0), least=4)
    assert good.tolist() == [4, 3, 2, 1] and bad.tolist() == [3, 2, 1, 0]
    good, bad = density.split(np.arange(100.0), least=4)
    assert good.tolist() == list(range(99, 84, -1)) and len(bad) == 85


# The ledger and the replays.


def test_the_ledger_counts_each_epoch_once():
    ledger = Ledger(Table(np.zeros((3, 1)), np.array([[0.1, 0.5], [0.3, 0.4], [0.2, 0.9]])), 5)
    assert (ledger.train(0, 1), ledger.spent) == (0.1, 1)
    assert (ledger.train(0, 2), ledger.spent) == (0.5, 2)
    assert (ledger.train(0, 2), ledger.spent) == (0.5, 2)  # known already
    assert (ledger.train(1, 2), ledger.spent) == (0.4, 4)
    assert ledger.free().tolist() == [2]
    with pytest.raises(Spent):
        ledger.train(2, 2)
    assert ledger.spent == 5
    np.testing.assert_array_equal(ledger.best, [np.nan, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("draws", [1, 2, 4])
def test_the_expected_best_is_the_mean_over_all_draws(draws):
    values = [0.3, 0.1, 0.7, 0.2, 0.9]
    mean = np.mean([max(some) for some in itertools.combinations(values, draws)])
    assert anytime.expected_best(values, draws) == pytest.approx(mean, abs=1e-12)


def test_more_draws_than_values_are_an_error():
    with pytest.raises(ValueError, match="4 draws; expected 1 to 3"):
        anytime.expected_best([1.0, 2.0, 3.0], 4)


def test_random_search_has_its_closed_form(table):
    traces = replay.replay(searchers.random_search, table, budget=80, repeats=2000)
    for draws in (1, 3, 10):
        found = traces[:, 8 * draws - 1]
        error = found.std(ddof=1) / math.sqrt(len(found))
        assert abs(found.mean() - anytime.expected_best(table.final, draws)) < 4 * error
    assert np.isnan(traces[:, :7]).all()


def test_a_bracket_keeps_the_best_of_each_rung():
    scores = np.array([[0.4, 0.1], [0.1, 0.9], [0.3, 0.5], [0.2, 0.8]])
    ledger = Ledger(Table(np.zeros((4, 1)), scores), 100)
    searchers.run_bracket(
        ledger, np.random.default_rng(0), hyperband.halving(4, 1, 2), searchers.at_random
    )
    assert ledger.trained.tolist() == [2, 1, 2, 1]
    assert (ledger.spent, ledger.best[-1]) == (6, 0.5)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_no_method_spends_more_than_its_budget(table, method):
    ledger = Ledger(table, 120)
    with pytest.raises(Spent):
        method(ledger, np.random.default_rng(0))
    assert ledger.spent == 120 >= ledger.trained.sum()
    known = ledger.best[~np.isnan(ledger.best)]
    assert (np.diff(known) >= 0).all() and known[-1] == table.final[ledger.trained == 8].max()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_every_method_ends_when_all_rows_are_tried(table, method):
    small = Table(table.points[:5], table.scores[:5], table.configurations[:5])
    traces = replay.replay(method, small, budget=60, repeats=2, seed=3)
    again = replay.replay(method, small, budget=60, repeats=2, seed=3)
    np.testing.assert_array_equal(traces, again)
    if method in (searchers.random_search, searchers.tpe):
        assert (traces[:, -1] == small.final.max()).all()


def test_the_nearest_free_row_stands_for_what_tpe_proposes(table, monkeypatch):
    wanted = engine.params(space.Configuration(0.02, 8, None, 0.1, 0.4, 3.0))
    tpe = engine.optuna.samplers.TPESampler
    monkeypatch.setattr(tpe, "sample_relative", lambda *_: wanted)
    ledger = Ledger(table, 100)
    sampler = engine.RowSampler(ledger, np.random.default_rng(0))
    apart = space.distances(engine.configuration(wanted).unit(), table.points)
    for row in np.argsort(apart)[:5]:
        params = sampler.sample_relative(None, None, None)
        assert sampler.row == row and engine.configuration(params) == table.configurations[row]
        ledger.train(row, 1)


def test_a_density_proposes_where_good_ones_are():
    points = np.linspace(0, 1, 41)[:, None]
    table = Table(points, -np.abs(points - 0.8))
    ledger = Ledger(table, 100)
    for row in range(0, 41, 4):
        ledger.train(row, 1)

    class Never:
        """Chance that never wants a random row."""

        def random(self):
            return 1.0

    assert abs(points[searchers.by_density(ledger, Never()), 0] - 0.8) < 0.15


def test_a_shuffled_table_has_the_same_curves():
    table = Table(np.arange(4.0)[:, None], np.arange(8.0).reshape(4, 2))
    dealt = table.shuffled(np.random.default_rng(0))
    assert sorted(dealt.scores.tolist()) == table.scores.tolist() != dealt.scores.tolist()
    assert dealt.points is table.points


def test_the_interval_of_a_mean_is_students():
    traces = np.random.default_rng(0).normal(size=(6, 3))
    mean, low, high = anytime.interval(traces, 0.9)
    error = stats.sem(traces, axis=0)
    expected = stats.t.interval(0.9, 5, loc=traces.mean(0), scale=error)
    np.testing.assert_allclose([mean, low, high], [traces.mean(0), *expected])


def test_a_table_is_made_of_recorded_runs():
    arms = find("table").arms[:2]
    confusion = np.zeros((6, 6), int)
    confusion[0, 0], confusion[1, 1], confusion[1, 0] = 6, 2, 2
    runs = {name: entry(arm, confusion.tolist()) for name, arm in enumerate(arms)}
    table = replay.from_record(runs)
    assert table.scores.shape == (2, 2) and table.scores[0, 0] == 0.1
    # Building 6 of 8, Land 2 of 4; the other classes are not there.
    assert table.final[0] == pytest.approx(np.mean([6 / 8, 2 / 4]))
    assert table.seconds.tolist() == [2, 2]
    assert table.configurations[0].learning_rate == arms[0].recipe.learning_rate


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replay.from_record({}), "nothing of the table is recorded yet"),
        (lambda: Table(np.zeros((2, 1)), np.zeros((3, 4))), r"points have shape \(2, 1\)"),
        (lambda: Table(np.zeros((1, 1)), np.array([[np.nan]])), "a score is not finite"),
    ],
)
def test_a_table_that_is_none_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
