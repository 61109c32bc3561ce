from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("proofs", "0005_timestamps"),
    ]

    operations = [
        migrations.AddField(
            model_name="witness",
            name="retired_at",
            field=models.DateTimeField(
                help_text="Since when it may not cosign; what it had signed stays.",
                null=True,
            ),
        ),
    ]
