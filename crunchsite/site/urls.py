from django.urls import path, re_path

from crunchsite.site import csv_files, payouts, proof_pages, views
from crunchsite.site.security import security_txt

MODEL = r"^models/(?P<model_id>[^/]{1,120})"

urlpatterns = [
    path("", views.home, name="home"),
    path(".well-known/security.txt", security_txt, name="security-txt"),
    path("leaderboard.csv", csv_files.leaderboard_csv, name="leaderboard-csv"),
    path("scores.csv", csv_files.scores_csv, name="scores-csv"),
    re_path(rf"{MODEL}/scores\.csv$", csv_files.model_csv, name="model-csv"),
    re_path(rf"{MODEL}/?$", views.model, name="model"),
    re_path(r"^diversity/?$", views.diversity, name="diversity"),
    re_path(r"^rules/?$", views.rules, name="rules"),
    re_path(r"^payouts/?$", payouts.payouts, name="payouts"),
    re_path(r"^payouts/strategies/?$", payouts.strategies, name="payout-strategies"),
    re_path(
        r"^payouts/(?P<cruncher_index>[0-9]{1,9})/?$",
        payouts.statement,
        name="statement",
    ),
    re_path(
        r"^payouts/(?P<cruncher_index>[0-9]{1,9})/statement\.csv$",
        payouts.statement_csv,
        name="statement-csv",
    ),
    re_path(r"^verify/?$", proof_pages.verify_page, name="verify"),
    path("verify/bundle.zip", proof_pages.bundle_file, name="bundle-file"),
    path("verify/verify.py", proof_pages.verifier_file, name="verifier-file"),
    re_path(r"^witnesses/?$", proof_pages.witnesses_page, name="witnesses"),
    re_path(r"^feeds/?$", views.feeds, name="feeds"),
    re_path(r"^livepool/?$", views.livepool, name="livepool"),
]
