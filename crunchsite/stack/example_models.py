"""`python -m crunchsite.stack.example_models`: the models that an image begins with.

It needs neither secrets nor servers, so that an image can be built.
"""

import os

import django
from django.conf import settings

from competitions.local_models import model_folders


def lay_out() -> None:
    """Fill the folder of the models with the workspace's examples, else the site's."""
    workspace = settings.WORKSPACE
    model_folders.begin(
        settings.LOCAL_MODELS_DIR, workspace.example_models() if workspace else None
    )


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "crunchsite.settings.without_secrets"  # noqa: TID251  no secret is there yet
    django.setup()
    lay_out()
