from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("feeds", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="feedsubscription",
            name="fallbacks",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text='Sources asked in turn when the first fails, like ["pyth"]. Their records keep this feed\'s name and say in their meta who served them.',
            ),
        ),
    ]
