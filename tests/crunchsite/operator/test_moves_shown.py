"""The table of what a correction moves."""

import re
from types import SimpleNamespace

from django.template import Context
from django.template.loader import get_template
from django.template.loader_tags import BlockNode

from scoring.moves import Move


def test_a_small_figure_that_changes_is_not_zero_before_and_after():
    """Scores may be raw returns, of a hundred-thousandth."""
    move = Move("m1", rank_before=1, rank_after=2, value_before=2e-5, value_after=-3e-6)
    context = {
        "shown": SimpleNamespace(moves=[move]),
        "moves": [move],
        "competition": SimpleNamespace(pk=1),
        "form": [],
    }
    template = get_template("operator/correct.html").template
    [content] = template.nodelist.get_nodes_by_type(BlockNode)
    with (made := Context(context)).bind_template(template):
        page = content.nodelist.render(made)
    figures = re.findall(r'<td class="n">([^<]*)</td>', page)[3:]
    minus = "\N{MINUS SIGN}"
    assert figures == ["0.0000200", f"{minus}0.00000300", f"{minus}0.0000230"]
