"""A small chapter that obeys all rules, for the tests of the guard."""

import nbformat
import pytest
from guard import KINDS
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from stamp import stamp

NAME = "99_example.ipynb"


def code(source, text="", tags=()):
    """Return a code cell that printed `text`."""
    outputs = [new_output("stream", name="stdout", text=text)] if text else []
    return new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})


def exercise(number, kind):
    """Return the three cells of an exercise on the square of `number`."""
    mistakes = f'mistakes={{{2 * number}: "Doubled, not squared."}}'
    answer = f"answer = None  # replace None\nself_check(answer, {number**2}, {mistakes})"
    solution = f"self_check({number} ** 2, {number**2})"
    return [
        new_markdown_cell(f"### Exercise {number}: {kind}\n\nWhat is the square of {number}?"),
        code(answer, "not answered\n", ["exercise", "nbval-ignore-output"]),
        code(solution, "right\n", ["solution", "hide-cell", "nbval-ignore-output"]),
    ]


@pytest.fixture
def example():
    """Return a chapter in which all is as it should be, as if it had been run and stored."""
    picture = '<img src="data:image/png;base64,AAAA" alt="a square of one grey pixel">'
    html = new_output("display_data", data={"text/html": picture, "text/plain": "picture"})
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Squares\n\n*How large is a square?*"),
            new_markdown_cell(
                "You will be able to\n\n- square a number;\n- check it.\n\n| | time |\n|---|---|\n"
                "| reading | 1 minute |\n| exercises | 1 minute |\n| running all cells | 1 second |"
            ),
            code("", tags=["bootstrap", "nbval-ignore-output", "hide-input"]),
            code("from kdbook.checks import check, finish, self_check"),
            new_markdown_cell(":::{admonition} Predict, then run\nWhat is the square of 2?\n:::"),
            code('check("two squared is four", 2**2 == 4)', "✓ two squared is four\n"),
            code("print(2 + 2)", "4\n"),
            new_markdown_cell("And a picture."),
            new_code_cell(
                f"from IPython.display import HTML, display\n\ndisplay(HTML({picture!r}))",
                outputs=[html],
                metadata={"tags": ["nbval-ignore-output"]},
            ),
            *[cell for number, kind in enumerate(KINDS, 3) for cell in exercise(number, kind)],
            new_markdown_cell("## What this does not show\n\nCubes."),
            new_markdown_cell("## Key points\n\n- A square is a product."),
            code("finish(1)", "1 of 1 checks of this chapter passed\n", ["nbval-check-output"]),
        ]
    )
    stamp(notebook, NAME)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
    return nbformat.from_dict(notebook)
