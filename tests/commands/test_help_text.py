"""Paragraphs of the help flow with the terminal; examples stay one to a line."""

from cutflow_cli.commands.help_text import flowing


def test_paragraphs_flow_and_examples_stay():
    text = """Say it.

    It is said in
    two lines.

    cutflow one
    cutflow two \\
        --more
    """
    assert flowing(text) == "Say it.\n\nIt is said in two lines.\n\ncutflow one\ncutflow two \\\n    --more"
