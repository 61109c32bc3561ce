"""Addresses of acts, below /api/v1/."""

from django.urls import re_path

from crunchsite.v1.acts import (
    backfills,
    checkpoints,
    competitions,
    corrections,
    exclusions,
    livepool,
    local_models,
    payouts,
    submissions,
    webhooks,
)

COMPETITION = r"^competitions/(?P<slug>[^/]+)"
WEBHOOK = r"^webhooks/(?P<webhook_id>[^/]+)"
CHECKPOINT = r"^checkpoints/(?P<checkpoint_id>[^/]+)"

urlpatterns = [
    re_path(
        rf"{COMPETITION}/edit/?$", competitions.Edit.as_view(), name="competition-edit"
    ),
    *(
        re_path(rf"{COMPETITION}/{view.name}/?$", view.as_view(), name=view.name)
        for view in (
            *(competitions.activate, competitions.pause, competitions.end),
            *(competitions.predict_now, competitions.score_now),
        )
    ),
    *(
        re_path(rf"{COMPETITION}/{view.kind}/?$", view.as_view(), name=view.kind)
        for view in (corrections.Rescore, corrections.Void)
    ),
    re_path(
        rf"{COMPETITION}/models/(?P<model_id>[^/]+)/exclude/?$",
        exclusions.Exclude.as_view(),
        name="exclude-model",
    ),
    re_path(
        rf"{COMPETITION}/models/(?P<model_id>[^/]+)/readmit/?$",
        exclusions.Readmit.as_view(),
        name="readmit-model",
    ),
    re_path(
        rf"{COMPETITION}/make-checkpoints/?$",
        checkpoints.MakeCheckpoints.as_view(),
        name="make-checkpoints",
    ),
    re_path(rf"{CHECKPOINT}/confirm/?$", checkpoints.Confirm.as_view(), name="confirm"),
    re_path(
        rf"{CHECKPOINT}/correct-transaction/?$",
        checkpoints.CorrectTransaction.as_view(),
        name="correct-transaction",
    ),
    re_path(
        rf"{CHECKPOINT}/dispute/?$", payouts.DisputeCheckpoint.as_view(), name="dispute"
    ),
    re_path(rf"{CHECKPOINT}/adjust/?$", payouts.AdjustShares.as_view(), name="adjust"),
    re_path(
        r"^disputes/(?P<dispute_id>[^/]+)/answer/?$",
        payouts.AnswerDispute.as_view(),
        name="answer-dispute",
    ),
    re_path(rf"{CHECKPOINT}/advance/?$", checkpoints.Advance.as_view(), name="advance"),
    re_path(
        r"^local-models/?$", local_models.LocalModels.as_view(), name="local-models"
    ),
    *(
        re_path(
            rf"^local-models/(?P<model_id>[^/]+)/{view.name}/?$",
            view.as_view(),
            name=f"local-model-{view.name}",
        )
        for view in (
            *(local_models.stop, local_models.start),
            *(local_models.restart, local_models.remove),
        )
    ),
    re_path(
        r"^local-models/(?P<model_id>[^/]+)/log/?$",
        local_models.LocalModelLog.as_view(),
        name="local-model-log",
    ),
    re_path(r"^submissions/?$", submissions.Submissions.as_view(), name="submissions"),
    re_path(
        r"^submissions/quota/?$",
        submissions.SubmissionQuota.as_view(),
        name="submission-quota",
    ),
    re_path(
        r"^submissions/(?P<id>[^/]+)/?$",
        submissions.OneSubmission.as_view(),
        name="one-submission",
    ),
    re_path(r"^webhooks/?$", webhooks.Webhooks.as_view(), name="webhooks"),
    re_path(rf"{WEBHOOK}/?$", webhooks.OneWebhook.as_view(), name="webhook"),
    re_path(
        rf"{WEBHOOK}/rotate-secret/?$",
        webhooks.RotateSecret.as_view(),
        name="webhook-rotate-secret",
    ),
    re_path(rf"{WEBHOOK}/switch/?$", webhooks.Switch.as_view(), name="webhook-switch"),
    re_path(
        rf"{WEBHOOK}/deliveries/?$",
        webhooks.Deliveries.as_view(),
        name="webhook-deliveries",
    ),
    re_path(
        r"^deliveries/(?P<delivery_id>[^/]+)/replay/?$",
        webhooks.DeliveryReplay.as_view(),
        name="delivery-replay",
    ),
    re_path(r"^backfills/?$", backfills.Backfills.as_view(), name="backfills"),
    re_path(
        r"^backfills/(?P<job_id>[^/]+)/?$",
        backfills.OneBackfill.as_view(),
        name="one-backfill",
    ),
    re_path(
        r"^backfills/(?P<job_id>[^/]+)/cancel/?$",
        backfills.CancelBackfill.as_view(),
        name="cancel-backfill",
    ),
    re_path(
        r"^releases/publish/?$", livepool.Publish.as_view(), name="publish-release"
    ),
    re_path(
        r"^releases/(?P<version>[^/]+)/roll-back/?$",
        livepool.RollBack.as_view(),
        name="roll-back-release",
    ),
]
