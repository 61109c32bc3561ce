from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("feeds", "0005_acts"),
    ]

    operations = [
        migrations.AddField(
            model_name="feedsubscription",
            name="stale_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
