"""A round is called a round; tables and columns keep their names."""

import django.db.models.deletion
from django.db import migrations, models

UNIQUE = "prediction_unique_per_round"


class Migration(migrations.Migration):
    dependencies = [
        ("competitions", "0009_acts"),
        # Renames the content type, and so keeps the permissions that hang on it.
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RenameModel(old_name="Input", new_name="Round"),
        migrations.AlterField(
            model_name="prediction",
            name="input",
            field=models.ForeignKey(
                db_column="input_id",
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="predictions",
                to="competitions.round",
            ),
        ),
        # The constraint stays in the database: its column keeps its name.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name="prediction", name=UNIQUE),
                migrations.RenameField(
                    model_name="prediction", old_name="input", new_name="round"
                ),
                migrations.AddConstraint(
                    model_name="prediction",
                    constraint=models.UniqueConstraint(
                        fields=("round", "model"), name=UNIQUE
                    ),
                ),
                migrations.AlterModelOptions(
                    name="round", options={"ordering": ["-slot_at", "-pk"]}
                ),
            ],
        ),
    ]
