"""Does the site say what the files of its workspace say?"""

from competitions.errors import CompetitionError
from competitions.models import Competition
from competitions.scaffold.errors import ScaffoldError
from crunchsite import readiness
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.operator.following import differences
from crunchsite.settings.workspace import NodeFolder
from crunchsite.stack.demo import workspace_draft


def check_files_followed(node: NodeFolder) -> list[Line]:
    """Name what differs between the files and the site, where a database answers.

    An edit that waits for the next start, and one that only a person decides, are WARN;
    what was changed on the site alone is as it should be.
    """
    if readiness.database_problem() or readiness.migrations_problem():
        return []  # said by the check of the database
    competition = Competition.objects.filter(slug=node.slug).first()
    if competition is None:
        found = "the competition is made at the first start."
        return [Line("SKIP", "files_followed", found)]
    try:
        found_between = differences(competition, workspace_draft(node.slug))
    except (CompetitionError, ScaffoldError):
        return []  # said by the checks of callables and schedule
    do = (
        "`coordinator rules apply --files` takes the files', `--site` keeps the site's."
    )
    bad = [
        *(
            Line("WARN", "files_not_followed", f"{each}.", "Start the site again.")
            for each in found_between.taken
        ),
        *(
            Line("WARN", "files_differ", f"{each}, changed on both sides.", do)
            for each in found_between.asked
        ),
    ]
    standing = "; ".join(str(each) for each in found_between.standing)
    also = f", but for edits on the site: {standing}" if standing else ""
    return or_ok(bad, "files_followed", f"the site says what the files say{also}.")
