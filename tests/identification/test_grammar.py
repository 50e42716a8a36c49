"""Grammar: counted, decoded as by trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_udvd.identification import UNLABELLED, Grammar

SEQUENCES = [
    [0] * 6 + [1] * 2 + [2] * 3 + [0] * 5,
    [UNLABELLED] * 3 + [2] * 4 + [0] * 4 + [1] * 3 + [UNLABELLED],
]


def random_probabilities(frames: int, labels: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.ones(labels), frames))


def score_of(grammar: Grammar, states: tuple[int, ...], log: np.ndarray) -> float:
    """Log probability of a sequence if every label is one stage."""
    stay = 1 - 1 / grammar.frames
    total = np.log(grammar.frames[states[0]] / grammar.frames.sum()) + log[0, states[0]]
    for t in range(1, len(states)):
        before, now = states[t - 1], states[t]
        step = (1 - stay[before]) * grammar.follow[before, now]
        total += np.log(stay[now] if before == now else step) + log[t, now]
    return float(total)


@pytest.fixture
def geometric() -> Grammar:
    follow = np.array([[0, 0.9, 0.1], [0.3, 0, 0.7], [0.5, 0.5, 0]])
    return Grammar(follow, np.array([4.0, 2.0, 3.0]), np.ones(3, dtype=np.int64))


def test_what_was_seen_to_follow_is_likely_and_nothing_is_impossible() -> None:
    grammar = Grammar.learn(SEQUENCES, 3)
    assert grammar.follow[0, 1] > 0.99
    assert grammar.follow[1, 2] > 0.99
    assert grammar.follow[2, 0] > 0.99
    assert grammar.follow[0, 2] == pytest.approx(1e-4, rel=1e-3)
    np.testing.assert_array_equal(np.diag(grammar.follow), 0)
    np.testing.assert_allclose(grammar.follow.sum(1), 1)


def test_durations_count_frames_for_each_end() -> None:
    grammar = Grammar.learn(SEQUENCES, 3)
    # 15 frames of label 0 ended twice; 5 of label 1 once; 7 of label 2 twice
    np.testing.assert_allclose(grammar.frames, [7.5, 5, 3.5])
    # whole runs: four frames of label 0, two of label 1, three of label 2
    np.testing.assert_array_equal(grammar.stages, [1, 1, 1])
    longer = Grammar.learn([[0] * 3 + [1] * 6 + [0] * 20 + [1] * 9], 2)
    np.testing.assert_array_equal(longer.stages, [3, 2])


def test_a_label_that_was_never_whole_can_be_short() -> None:
    grammar = Grammar.learn([[0] * 9, [UNLABELLED, 1, 1, 1, UNLABELLED]], 2)
    np.testing.assert_array_equal(grammar.stages, 1)
    np.testing.assert_allclose(grammar.frames, [18, 6])
    np.testing.assert_allclose(grammar.follow, [[0, 1], [1, 0]])


def test_viterbi_finds_the_best_of_all_sequences(geometric: Grammar) -> None:
    for seed in range(5):
        log = random_probabilities(6, 3, seed)
        best = max(
            product(range(3), repeat=6), key=lambda s: score_of(geometric, s, log)
        )
        np.testing.assert_array_equal(geometric.viterbi(log), best)


def test_marginals_are_sums_over_all_sequences(geometric: Grammar) -> None:
    log = random_probabilities(5, 3)
    expected = np.zeros((5, 3))
    for states in product(range(3), repeat=5):
        expected[np.arange(5), states] += np.exp(score_of(geometric, states, log))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(geometric.marginals(log), expected, atol=1e-12)


def test_a_label_of_several_stages_is_never_shorter() -> None:
    follow = np.array([[0.0, 1.0], [1.0, 0.0]])
    grammar = Grammar(follow, np.array([9.0, 5.0]), np.array([1, 3]))
    log = np.log(np.full((12, 2), [0.9, 0.1]))
    log[5] = np.log([0.01, 0.99])  # a single frame
    found = grammar.viterbi(log)
    assert found.tolist() in ([0] * 12, [0] * 4 + [1] * 3 + [0] * 5)
    log[4:7] = np.log([0.01, 0.99])
    assert grammar.viterbi(log).tolist() == [0] * 4 + [1] * 3 + [0] * 5


def test_long_movies_do_not_run_out_of_numbers(geometric: Grammar) -> None:
    log = 50 * random_probabilities(3000, 3)
    marginals = geometric.marginals(log)
    assert np.isfinite(marginals).all()
    np.testing.assert_allclose(marginals.sum(1), 1)


def test_frames_of_which_nothing_is_known_follow_their_neighbours(
    geometric: Grammar,
) -> None:
    log = np.log(np.full((9, 3), [0.98, 0.01, 0.01]))
    log[4] = 0.0
    assert geometric.viterbi(log).tolist() == [0] * 9
    assert geometric.marginals(log)[4, 0] > 0.8
