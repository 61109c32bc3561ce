"""The admin's theme: title, first page, and navigation by the operator's questions."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _page(title: str, icon: str, view: str, of: str = "") -> dict[str, Any]:
    """Return an entry for users who may view what its page shows, `app_model`."""
    model = (of or view.removesuffix("_changelist")).replace("_", ".view_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{view}"),
        "permission": lambda request: view == "index" or request.user.has_perm(model),
    }


def _models(title: str, *pages: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(pages)}


UNFOLD = {
    "SITE_TITLE": "crunchsite",
    "SITE_HEADER": "crunchsite",
    "SITE_SYMBOL": "monitoring",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("site/icon.svg"),
        }
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "DASHBOARD_CALLBACK": "crunchsite.operator.dashboard.dashboard",
    "STYLES": [lambda _request: static("site/admin.css")],
    "COLORS": {
        "primary": {
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#2563eb",
            "700": "#1d4ed8",
            "800": "#1e40af",
            "900": "#1e3a8a",
            "950": "#172554",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {"items": [_page("What needs me?", "notifications", "index")]},
            _models(
                "What is asked?",
                _page("Competitions", "trophy", "competitions_competition_changelist"),
                _page(
                    "Schedules",
                    "schedule",
                    "competitions_scheduledprediction_changelist",
                ),
                _page("Rounds", "timer", "competitions_round_changelist"),
                _page(
                    "Tournament rounds",
                    "quiz",
                    "competitions_tournamentround_changelist",
                ),
            ),
            _models(
                "Is the data fresh?",
                _page("Feeds", "rss_feed", "feeds_feedsubscription_changelist"),
                _page("Backfills", "cloud_download", "feeds_backfilljob_changelist"),
            ),
            _models(
                "Who answers, and how?",
                # The pages of local models lie below those of all models.
                _page("Models", "smart_toy", "competitions_participantmodel_changelist")
                | {
                    "active": lambda request: (
                        "/participantmodel/" in request.path
                        and "/local/" not in request.path
                    )
                },
                _page(
                    "Local models",
                    "memory",
                    "local-models",
                    of="competitions_participantmodel",
                ),
                _page(
                    "Submissions", "upload", "competitions_submittedversion_changelist"
                ),
                _page("Crunchers", "group", "competitions_cruncher_changelist"),
                _page(
                    "Predictions",
                    "online_prediction",
                    "competitions_prediction_changelist",
                ),
            ),
            _models(
                "How well?",
                _page("Leaderboards", "leaderboard", "scoring_leaderboard_changelist"),
                _page("Scores", "calculate", "scoring_score_changelist"),
                _page("Snapshots", "photo_camera", "scoring_snapshot_changelist"),
                _page("Rescorings", "history", "scoring_rescoring_changelist"),
                _page("Void windows", "block", "scoring_voidwindow_changelist"),
            ),
            _models(
                "Who is paid?",
                _page("Checkpoints", "payments", "emissions_checkpoint_changelist"),
                _page("Disputes", "gavel", "emissions_dispute_changelist"),
                _page("Ledger", "menu_book", "emissions_payoutentry_changelist"),
            ),
            _models(
                "What may be held?",
                _page("Releases", "waves", "livepool_release_changelist"),
                _page("Shadow tracks", "visibility", "livepool_shadowtrack_changelist"),
            ),
            _models(
                "Who is notified?",
                _page("Webhooks", "webhook", "events_webhook_changelist"),
                _page("Deliveries", "send", "events_delivery_changelist"),
                _page("Events", "list", "events_event_changelist"),
            ),
            _models(
                "What stands in the log?",
                _page("Log entries", "receipt_long", "proofs_logleaf_changelist"),
                _page("Signed heads", "verified", "proofs_logcheckpoint_changelist"),
                _page("Rules", "rule", "competitions_keptrules_changelist"),
            ),
            _models(
                "Who did what?",
                _page("Trail", "history", "admin_logentry_changelist"),
                _page("Operators", "person", "auth_user_changelist"),
                _page("Roles", "badge", "auth_group_changelist"),
                _page("API keys", "key", "keys_apikey_changelist"),
                _page("Refused logins", "lock", "axes_accessattempt_changelist"),
            ),
        ],
    },
}
