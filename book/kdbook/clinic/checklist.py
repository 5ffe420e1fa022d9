"""The checklist of chapter 07: symptom, likely cause, and the test that decides.

``book/checklist.md`` is the page to print:
``python -m kdbook.clinic.checklist`` writes that page to standard output.
"""

import html
import re
from typing import NamedTuple


class Row(NamedTuple):
    """One case: its number in chapter 07, symptom and likely cause in words, and a test.

    >>> ROWS[1].cause
    'the temperature divides probabilities, not logits'
    """

    case: str
    symptom: str
    cause: str
    test: str


ROWS = (
    Row(
        "1",
        "accuracy stands still at the share of the largest class",
        "one answer everywhere: features that died in too large steps (a high rate, an optimiser "
        "that was used before), a loss without a gradient, or masks of other images",
        "no class has more than 95 % of all answers: `answers.mean(axis=0).max() < 0.95`",
    ),
    Row(
        "2",
        "soft targets are nearly uniform at every pixel",
        "the temperature divides probabilities, not logits",
        "log odds at T are logits over T: `np.allclose(T * np.diff(np.log(p)), np.diff(z))`",
    ),
    Row(
        "3",
        "soft targets do not sum to 1, the loss depends on a constant in the logits",
        "T stands outside the exponential",
        "`np.allclose(p.sum(axis=-1), 1)`",
    ),
    Row(
        "4",
        "the higher the temperature, the less the teacher matters",
        "the factor T² is missing, or it is T",
        "from T = 20 to 40 the gradient of the soft loss changes by less than a tenth",
    ),
    Row(
        "5",
        "the loss stops at a floor, 1.044 for six classes",
        "a softmax too many, or logits taken for probabilities",
        "a sure and right answer costs nothing, and a constant in the logits changes nothing: "
        "`loss(y, 50 * onehot) < 1e-3`, `loss(y, z) == loss(y, z + 1)`",
    ),
    Row(
        "6",
        "the loss of one pixel changes with its neighbours",
        "the softmax runs over rows or images, not over classes",
        "`np.allclose(p.sum(axis=-1), 1)` on images that are not square",
    ),
    Row(
        "7",
        "a published α or rate does not work, the loss grows with the image",
        "the loss is a sum over the pixels of an image, not a mean",
        "two copies of an image beside each other have the loss of one",
    ),
    Row(
        "8",
        "the student drops the teacher's second choices",
        "KL divergence turned round",
        "`loss(log [.9, .1], log [.5, .5])` is 0.368, not 0.511",
    ),
    Row(
        "9",
        "the distillation loss falls fast, and the teacher gets worse",
        "the optimiser has the teacher's weights, or the teacher is in training mode",
        "the teacher's weights are the same bytes after a step, and it answers twice alike",
    ),
    Row(
        "10",
        "the loss of `keras.distillation` changes when a constant is added to the logits",
        "its default compares logits as if they were probabilities",
        "`loss(t, s) == loss(t + 10, s)`",
    ),
    Row(
        "11",
        "distillation from stored soft targets does harm",
        "they were computed for another crop, flip or order",
        "`np.allclose(stored[i], teacher(x[i]))` for the very batch that is served",
    ),
    Row(
        "12",
        "the distillation loss is 0 from the start, or the teacher learns",
        "the student is compared with itself, or the two are swapped",
        "another teacher gives another loss; after a step the student has moved, the teacher not",
    ),
    Row(
        "13",
        "the training loss is above the validation loss",
        "two different quantities: dropout, an average over the epoch, another formula",
        "`evaluate` on the training images gives what was plotted",
    ),
    Row(
        "14",
        "the test score is much better than on a new place",
        "patches of one image on both sides of the split",
        "`set(train.image_index).isdisjoint(test.image_index)`",
    ),
    Row(
        "15",
        "a class is predicted on outlines; a class is too large",
        "unknown mask colours fell into class 0; masks were resized with interpolation",
        "`np.array_equal(decode(encode(mask)), mask)`",
    ),
    Row(
        "15",
        "the network learns the class frequencies and nothing else",
        "images beside the wrong masks",
        "`[i.stem for i in images] == [m.stem for m in masks]`",
    ),
    Row(
        "16",
        "the score is fine, the maps are not",
        "accuracy, or a Jaccard index over all pixels at once, in place of the mean IoU",
        "a constant answer scores at most one over the number of classes",
    ),
    Row(
        "17",
        "a gain that nobody can repeat",
        "the baseline had fewer steps, an untuned rate, or one seed",
        "the two recipes differ in the loss alone; the interval over paired seeds leaves out 0",
    ),
)
"""All cases, in the order of the chapter."""

HEAD = """---
myst:
  html_meta:
    description: "A checklist for a distillation that does not learn. Each case has a test of \
minutes that decides, and leads to the harm that it prevents."
---

# Checklist

When a network does not learn what it should, go through this list from the top. Each test takes
minutes, and each is explained, with the harm that it prevents, in
[the post-mortem](../notebooks/07_post_mortem.ipynb), or, for cases 12, 13 and 16, on
[the page for the curious](curious.md). The numbers are those of the cases.

"""


LOOK = """<style>
.checklist code { white-space: normal; overflow-wrap: anywhere; }
.checklist tr { break-inside: avoid; }
@media print { .checklist { font-size: 9pt; } }
@media (max-width: 40rem) {
.checklist thead { display: none; }
.checklist tr, .checklist td { display: block; }
.checklist tr { border-top: 1px solid; padding: 0.5rem 0; }
.checklist td { border: 0; padding: 0.1rem 0; text-align: left; }
.checklist td::before { content: attr(data-name) ": "; font-weight: bold; }
}
</style>
"""
"""On a narrow screen each case is a block of its own, and not a row."""

COLUMNS = ("case", "symptom", "likely cause", "test")


def table():
    """Return the checklist as an HTML table.

    >>> table().count("<tr>") == 1 + len(ROWS)
    True
    """
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    body = "\n".join(f"<tr>{''.join(map(_cell, COLUMNS, row))}</tr>" for row in ROWS)
    return (
        f'{LOOK}<table class="table checklist">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>\n"
    )


def page():
    """Return ``book/checklist.md``.

    >>> "# Checklist" in page().splitlines()
    True
    """
    return HEAD + table()


def _cell(name, text):
    return f'<td data-name="{name}">{_marked_up(text)}</td>'


def _marked_up(text):
    """Return text as HTML, with what stands between backticks as code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))


if __name__ == "__main__":
    print(page(), end="")
