"""The fields of the operator's forms, as a screen reader meets them."""

import re

from django.template.loader import render_to_string

from core.admin.lists import ReasonForm


def test_help_and_errors_are_read_out_with_their_field():
    page = render_to_string("operator/fields.html", {"form": ReasonForm({})})
    [described_by] = re.findall(r'aria-describedby="([^"]+)"', page)
    for name in described_by.split():
        assert f' id="{name}"' in page
    assert "This field is required." in page
