"""Operators exclude models from ranking and pay, and readmit them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def give(apps, _schema_editor):
    config = apps.get_app_config("competitions")
    config.models_module = True  # or Django skips what a migration sees
    create_permissions(config, verbosity=0, apps=apps)
    config.models_module = None
    excludes = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="competitions", codename="exclude_participantmodel"
    )
    for name in ("operator", "admin"):
        role, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        role.permissions.add(excludes)


class Migration(migrations.Migration):
    dependencies = [
        ("crunchsite", "0006_see_tournament_rounds"),
        ("competitions", "0014_exclusions"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
