"""All roles see disputes and the ledger; who settles or operates may dispute."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN = ["view_dispute", "view_payoutentry"]


def give(apps, _schema_editor):
    config = apps.get_app_config("emissions")
    config.models_module = True  # or Django skips what a migration sees
    create_permissions(config, verbosity=0, apps=apps)
    config.models_module = None
    own = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="emissions"
    )
    for name in ("viewer", "operator", "finance", "admin"):
        role, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        role.permissions.add(*own.filter(codename__in=SEEN))
        if name != "viewer":
            role.permissions.add(own.get(codename="dispute_checkpoint"))


class Migration(migrations.Migration):
    dependencies = [
        ("crunchsite", "0007_exclusions"),
        ("emissions", "0003_ledger_disputes"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
