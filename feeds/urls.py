from django.urls import path

from feeds import api, pages

app_name = "feeds"

FILE = "<str:source>/<str:subject>/<str:kind>/<str:granularity>/<str:filename>"

urlpatterns = [
    path("feeds", pages.feeds, name="page"),
    path("reports/feeds", api.Feeds.as_view(), name="feeds"),
    path("reports/feeds/tail", api.Tail.as_view(), name="tail"),
    path("reports/backfill", api.Backfill.as_view(), name="backfill"),
    path("reports/backfill/feeds", api.Feeds.as_view(), name="backfill-feeds"),
    path("reports/backfill/jobs", api.BackfillJobs.as_view(), name="backfill-jobs"),
    path(
        "reports/backfill/jobs/<uuid:job_id>",
        api.BackfillJobDetail.as_view(),
        name="backfill-job",
    ),
    path(
        "reports/backfill/jobs/<uuid:job_id>/cancel",
        api.BackfillCancel.as_view(),
        name="backfill-cancel",
    ),
    path("data/backfill/index", api.DataIndex.as_view(), name="data-index"),
    path(f"data/backfill/{FILE}", api.DataFile.as_view(), name="data-file"),
]
