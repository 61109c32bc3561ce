from django.db import migrations, models
from django.db.models import F


def begin_where_they_are(apps, _schema_editor):
    """A schedule that runs has begun: none of its slots from here on is skipped."""
    schedules = apps.get_model("competitions", "ScheduledPrediction")
    schedules.objects.update(starts_at=F("next_slot_at"))


class Migration(migrations.Migration):
    dependencies = [("competitions", "0002_prediction_input_index")]

    operations = [
        migrations.AddField(
            model_name="scheduledprediction",
            name="starts_at",
            field=models.DateTimeField(
                blank=True,
                help_text="The first slot since it last began; "
                "none before it was missed.",
                null=True,
            ),
        ),
        migrations.RunPython(begin_where_they_are, migrations.RunPython.noop),
    ]
