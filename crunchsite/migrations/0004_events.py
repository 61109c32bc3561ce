"""All roles see events and deliveries; operators keep webhooks and replay."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEE = ["view_event", "view_delivery"]
KEEP = [
    *("view_webhook", "add_webhook", "change_webhook", "secret_webhook"),
    "replay_delivery",
]
EVENTS = {
    "viewer": SEE,
    "finance": SEE,
    "operator": [*SEE, *KEEP],
    "admin": [*SEE, *KEEP, "delete_webhook"],
}


def give(apps, _schema_editor):
    config = apps.get_app_config("events")
    config.models_module = True  # or Django skips what a migration sees
    create_permissions(config, verbosity=0, apps=apps)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects
    for name, codenames in EVENTS.items():
        role, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        role.permissions.add(
            *permissions.filter(
                content_type__app_label="events", codename__in=codenames
            )
        )


class Migration(migrations.Migration):
    dependencies = [
        ("crunchsite", "0003_keys"),
        ("events", "0002_webhooks"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
