from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("scoring", "0001_initial")]

    operations = [
        # The newest board's rows are updated each cycle; with room on their page that
        # costs neither index entries nor bloat.
        migrations.RunSQL(
            "ALTER TABLE leaderboard_entries SET (fillfactor = 50)",
            "ALTER TABLE leaderboard_entries RESET (fillfactor)",
        ),
    ]
