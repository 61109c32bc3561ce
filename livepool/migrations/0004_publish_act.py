from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("livepool", "0003_acts"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="release",
            options={
                "ordering": ["-as_of_date", "-revision", "-pk"],
                "permissions": [
                    ("publish_release", "Can publish the release that is due"),
                    ("roll_back_release", "Can roll the live pool back"),
                ],
            },
        ),
    ]
