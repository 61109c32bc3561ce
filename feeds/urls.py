from django.urls import re_path

from feeds import api
from feeds.downloads import DataFile, DataIndex, DayDownload, DayIndex

FILE = "/".join(
    f"(?P<{part}>[^/]+)"
    for part in ("source", "subject", "kind", "granularity", "filename")
)
JOB = "reports/backfill/jobs/(?P<job_id>[^/]+)"

urlpatterns = [
    re_path(r"^reports/feeds/?$", api.Feeds.as_view(), name="reports-feeds"),
    re_path(r"^reports/feeds/tail/?$", api.Tail.as_view(), name="reports-feeds-tail"),
    re_path(r"^reports/backfill/?$", api.Backfill.as_view(), name="backfill"),
    re_path(r"^reports/backfill/feeds/?$", api.Feeds.as_view(), name="backfill-feeds"),
    re_path(
        r"^reports/backfill/jobs/?$", api.BackfillJobs.as_view(), name="backfill-jobs"
    ),
    re_path(rf"^{JOB}/?$", api.BackfillJobDetail.as_view(), name="backfill-job"),
    re_path(rf"^{JOB}/cancel/?$", api.BackfillCancel.as_view(), name="backfill-cancel"),
    re_path(r"^data/backfill/index/?$", DataIndex.as_view(), name="data-index"),
    re_path(rf"^data/backfill/{FILE}$", DataFile.as_view(), name="data-file"),
    re_path(r"^data/days/index/?$", DayIndex.as_view(), name="days-index"),
    re_path(rf"^data/days/{FILE}$", DayDownload.as_view(), name="day-file"),
]
