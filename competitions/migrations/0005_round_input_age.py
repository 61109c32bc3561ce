from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("competitions", "0004_rules_of_competitions")]

    operations = [
        migrations.AddField(
            model_name="input",
            name="input_age_s",
            field=models.FloatField(
                blank=True,
                help_text="How old the newest record shown was; "
                "NULL when it is unknown.",
                null=True,
            ),
        ),
    ]
