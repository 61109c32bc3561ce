from django.db import migrations


class Migration(migrations.Migration):
    """The records' table is the tape's own; only Django's picture of it goes."""

    dependencies = [
        ("feeds", "0005_acts"),
    ]

    operations = [
        migrations.DeleteModel(name="FeedRecord"),
    ]
