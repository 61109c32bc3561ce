from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("competitions", "0006_interval_rationale")]

    operations = [
        migrations.AddField(
            model_name="input",
            name="overdue_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When a cycle first found that its truth was late; "
                "NULL before.",
                null=True,
            ),
        ),
    ]
