"""Addresses of acts, below /api/v1/."""

from django.urls import re_path

from crunchsite.v1.acts import (
    checkpoints,
    competitions,
    corrections,
    local_models,
)

COMPETITION = r"^competitions/(?P<slug>[^/]+)"
CHECKPOINT = r"^checkpoints/(?P<checkpoint_id>[^/]+)"

urlpatterns = [
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
]
