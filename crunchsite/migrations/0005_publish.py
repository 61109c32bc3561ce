"""Operators publish the live pool's release that is due."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def give(apps, _schema_editor):
    config = apps.get_app_config("livepool")
    config.models_module = True  # or Django skips what a migration sees
    create_permissions(config, verbosity=0, apps=apps)
    config.models_module = None
    publishes = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="livepool", codename="publish_release"
    )
    for name in ("operator", "admin"):
        role, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        role.permissions.add(publishes)


class Migration(migrations.Migration):
    dependencies = [
        ("crunchsite", "0004_events"),
        ("livepool", "0004_publish_act"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
