from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("competitions", "0005_round_input_age")]

    operations = [
        migrations.AddField(
            model_name="competition",
            name="interval_rationale",
            field=models.TextField(
                blank=True, help_text="Why this cadence, for whoever changes it."
            ),
        ),
        migrations.AlterField(
            model_name="competition",
            name="checkpoint_interval_s",
            field=models.PositiveIntegerField(
                default=60,
                help_text="Cadence that it was made for; "
                "the score interval begins with it.",
            ),
        ),
    ]
