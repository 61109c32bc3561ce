"""The permissions for rounds follow the model's new name, with all who hold them."""

from django.db import migrations

OF_ROUNDS = {"content_type__app_label": "competitions", "content_type__model": "round"}


def rename(apps, _schema_editor):
    permissions = apps.get_model("auth", "Permission").objects.filter(**OF_ROUNDS)
    for old in permissions.filter(codename__endswith="_input"):
        codename = old.codename.replace("_input", "_round")
        if not permissions.filter(codename=codename).exists():
            old.codename = codename
            old.save()


class Migration(migrations.Migration):
    dependencies = [
        ("crunchsite", "0001_roles"),
        ("competitions", "0010_round"),
    ]
    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
