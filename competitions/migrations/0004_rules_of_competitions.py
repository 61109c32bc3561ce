from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import NullIf
from django.db.models.lookups import Exact


class Migration(migrations.Migration):
    """A site whose rows break a rule still migrates; the next change must keep it."""

    dependencies = [
        ("competitions", "0003_schedules_begin"),
        ("competitions", "0003_callable_failures"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="competition", name="competition_intervals_positive"
        ),
        migrations.AddField(
            model_name="competition",
            name="ending_at",
            field=models.DateTimeField(
                blank=True, help_text="When somebody pressed End.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="competition",
            name="emission_interval_s",
            field=models.PositiveIntegerField(
                default=604800,
                help_text="A multiple of the snapshot period; 0 for no emissions.",
            ),
        ),
        migrations.AddConstraint(
            model_name="competition",
            constraint=models.CheckConstraint(
                condition=Q(
                    checkpoint_interval_s__gt=0,
                    score_interval_s__gt=0,
                    snapshot_period_s__gt=0,
                ),
                name="competition_intervals_positive",
                violation_error_message="An interval is at least one second.",
            ),
        ),
        AddConstraintNotValid(
            model_name="competition",
            constraint=models.CheckConstraint(
                condition=Q(slug__regex="^[a-z0-9]+(-[a-z0-9]+)*$"),
                name="competition_slug_valid",
                violation_error_message="Use lower-case letters and digits in groups "
                "separated by single dashes.",
            ),
        ),
        AddConstraintNotValid(
            model_name="competition",
            constraint=models.CheckConstraint(
                condition=Exact(
                    F("emission_interval_s") % NullIf(F("snapshot_period_s"), 0), 0
                ),
                name="competition_emissions_whole_periods",
                violation_error_message="The emission interval must be a multiple of "
                "the snapshot period.",
            ),
        ),
    ]
