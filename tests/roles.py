"""The four groups of the site, which its migrations made."""

from importlib import import_module
from pkgutil import iter_modules

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db.migrations import RunPython

from crunchsite import migrations


@pytest.fixture
def roles(db):
    """The four groups, also after a test that emptied every table."""
    if Group.objects.filter(name="viewer").exists():
        return
    for module in iter_modules(migrations.__path__, f"{migrations.__name__}."):
        for operation in import_module(module.name).Migration.operations:
            assert isinstance(operation, RunPython)
            operation.code(apps, None)
