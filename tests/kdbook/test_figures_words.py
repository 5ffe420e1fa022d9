"""What a reader is told by the figures of chapter 12."""

import numpy as np
import pytest

from kdbook.figures import words


def test_each_word_and_each_speaker_is_named_and_stands_at_its_number():
    figure = words.next_words(["dog", "cow"], {"truth": [0.7, 0.3], "student": [0.6, 0.4]})
    axes = figure.axes[0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["truth", "student"]
    assert [list(line.get_xdata()) for line in axes.lines] == [[0.7, 0.3], [0.6, 0.4]]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first word is at the top


def test_the_line_goes_through_the_geometric_mean_of_the_seeds():
    figure = words.worth({"sampled words": {50: [0.4, 0.9], 200: [0.1]}})
    line = next(line for line in figure.axes[0].lines if line.get_label() == "sampled words")
    np.testing.assert_allclose(line.get_ydata(), [0.6, 0.1])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["50", "200"]


def test_the_curve_along_a_sentence_is_the_mean_of_its_seeds():
    figure = words.along_a_sentence({"own": [[0.1, 0.2], [0.3, 0.6]]}, "nats")
    np.testing.assert_allclose(figure.axes[0].lines[-1].get_ydata(), [0.2, 0.4])


def test_controls_differ_in_more_than_colour():
    looks = [words.LOOKS[name][1:] for name in ("shuffled teacher", "smoothed labels")]
    assert looks[0] != looks[1]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: words.next_words(["dog"], {}),
        lambda: words.next_words(["dog"], {"truth": [0.5, 0.5]}),
        lambda: words.worth({}),
        lambda: words.worth({"labels": {50: [0.0]}}),
        lambda: words.along_a_sentence({"a": [1, 2], "b": [1, 2, 3]}, "nats"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw):
    with pytest.raises(ValueError, match="expected one"):
        draw()
