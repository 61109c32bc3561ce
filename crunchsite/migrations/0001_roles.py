"""Four roles, as groups: viewer, operator, finance, admin. docs/operator/roles.md."""

from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.models import Q

OURS = ["competitions", "scoring", "emissions", "feeds", "livepool"]
OPERATOR = {
    "axes": ["view_accessattempt", "delete_accessattempt"],
    "competitions": [
        *("add_competition", "change_competition"),
        *("activate_competition", "pause_competition", "end_competition"),
        *("predict_competition", "score_competition"),
        *("rescore_competition", "void_competition"),
        *("add_scheduledprediction", "change_scheduledprediction"),
        *("add_participantmodel", "operate_participantmodel"),
    ],
    "feeds": [
        *("add_feedsubscription", "change_feedsubscription"),
        *("poll_feedsubscription", "activate_feedsubscription"),
        *("pause_feedsubscription", "start_backfilljob", "cancel_backfilljob"),
    ],
    "livepool": ["roll_back_release"],
}
FINANCE = {"competitions": ["change_cruncher"], "emissions": ["settle_checkpoint"]}
# What stood for an act before it had a permission of its own; nobody loses one.
BEFORE = {
    "competitions.change_competition": [
        *("activate_competition", "pause_competition", "end_competition"),
        *("predict_competition", "score_competition"),
        *("rescore_competition", "void_competition"),
    ],
    "competitions.change_participantmodel": ["operate_participantmodel"],
    "emissions.change_checkpoint": ["settle_checkpoint"],
    "feeds.change_feedsubscription": [
        *("poll_feedsubscription", "activate_feedsubscription"),
        "pause_feedsubscription",
    ],
    "feeds.add_backfilljob": ["start_backfilljob"],
    "feeds.change_backfilljob": ["cancel_backfilljob"],
    "livepool.change_release": ["roll_back_release"],
}


def make_roles(apps, _schema_editor):
    """Make the permissions, which would come after all migrations, and the roles."""
    for label in [*OURS, "admin", "auth", "axes"]:
        _make_permissions(apps, label)
    permissions = apps.get_model("auth", "Permission").objects
    _carry_over(permissions)
    view = Q(content_type__app_label__in=OURS, codename__startswith="view_") | Q(
        content_type__app_label="admin", codename="view_logentry"
    )
    accounts = Q(
        content_type__app_label="auth", content_type__model__in=["user", "group"]
    )
    everything = Q(content_type__app_label__in=[*OURS, "axes"]) | accounts
    for name, wanted in {
        "viewer": view,
        "operator": view | _named(OPERATOR),
        "finance": view | _named(FINANCE),
        "admin": view | everything,
    }.items():
        role, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        role.permissions.add(*permissions.filter(wanted))


def _make_permissions(apps, label):
    config = apps.get_app_config(label)
    config.models_module = True  # or Django skips what a migration sees
    create_permissions(config, verbosity=0, apps=apps)
    config.models_module = None


def _carry_over(permissions):
    for before, acts in BEFORE.items():
        label, codename = before.split(".")
        for old in permissions.filter(content_type__app_label=label, codename=codename):
            new = permissions.filter(content_type__app_label=label, codename__in=acts)
            for holder in [*old.user_set.all(), *old.group_set.all()]:
                held = getattr(holder, "user_permissions", None) or holder.permissions
                held.add(*new)


def _named(codenames):
    wanted = Q(pk__in=[])
    for label, names in codenames.items():
        wanted |= Q(content_type__app_label=label, codename__in=names)
    return wanted


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("axes", "0010_accessattemptexpiration"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("competitions", "0009_acts"),
        ("emissions", "0002_acts"),
        ("feeds", "0005_acts"),
        ("livepool", "0003_acts"),
        ("scoring", "0004_board_says_over_how_much"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
