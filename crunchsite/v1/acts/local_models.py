"""Acts on local models: listed, added, stopped, started, restarted, removed.

An operator's key may act on all; a cruncher's on the cruncher's own.
"""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.admin.local_actions import (
    ACTIONS,
    LARGEST_UPLOAD_BYTES,
    add_model,
    perform,
    status_of_model,
)
from competitions.local_models import control
from competitions.local_models.control import ModelStatus
from competitions.local_models.log_pages import read_log, read_round
from competitions.models import Cruncher
from core.acts import is_key, may
from core.paging import LARGEST_INT
from core.permissions import OpenReadPermittedWrite
from core.requests import read_body, read_query
from crunchsite.v1.acts.act import OPERATE, ActMessage, ActView, Reason, posts

OF_MODELS = "competitions.{}_participantmodel"
NOT_YOURS = (
    "This key is for its cruncher's own models, and none that runs here has this name. "
    "One that never went live has no log: its submission says how its check went."
)


class LocalModelRow(serializers.Serializer[Any]):
    """A local model as its orchestrator last reported it."""

    model_id = serializers.CharField()
    name = serializers.CharField()
    cruncher = serializers.CharField()
    state = serializers.ChoiceField(
        ["STARTING", "RUNNING", "RECOVERING", "STOPPED", "QUARANTINED"]
    )
    error = serializers.CharField(help_text="Why it is not running, or ended last.")
    restarts = serializers.IntegerField()
    code_hash = serializers.CharField()
    changed_at = serializers.DateTimeField()


class ModelFile(serializers.Serializer[Any]):
    """A model's code, in a form (`multipart/form-data`)."""

    file = serializers.FileField(
        help_text="A main.py, or a zip of the model's folder; 50 MiB at most."
    )
    name = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=100,
        help_text="Letters, digits, dots, dashes and underscores. Empty: the file's.",
    )

    def validate_file(self, file: Any) -> Any:
        if file.size > LARGEST_UPLOAD_BYTES:
            raise serializers.ValidationError(
                f"was {file.size / 2**20:.0f} MiB; at most "
                f"{LARGEST_UPLOAD_BYTES // 2**20} MiB are taken.",
                code="file_too_large",
            )
        return file


class NewModel(ModelFile, Reason):
    """A model's code and why it is added."""


class Added(serializers.Serializer[Any]):
    """The id of what was added; the list shows it within a second."""

    model_id = serializers.CharField()
    competition = serializers.CharField(
        help_text="Where it takes part: LOCAL_MODELS_COMPETITION of the site."
    )


class OwnOrPermitted(OpenReadPermittedWrite):
    """Let a cruncher's key come as far as the view, which asks whose the model is."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_of_cruncher = getattr(request.user, "cruncher_id", None) is not None
        return is_of_cruncher or super().has_permission(request, view)


class LocalModelView(ActView):
    """What concerns local models is of the one competition that they take part in."""

    permission_classes = [OwnOrPermitted]
    is_atomic = False  # the orchestrator is reached through files

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a key that is bound to another competition."""
        super().initial(request, *args, **kwargs)
        bound = getattr(getattr(request.user, "key", None), "competition", None)
        if bound is not None and bound.slug != _slug():
            raise PermissionDenied(
                "This key is bound to another competition.", code="key_out_of_reach"
            )


@extend_schema_view(
    get=extend_schema(
        tags=[OPERATE],
        operation_id="v1_local_models_list",
        responses=LocalModelRow(many=True),
    ),
    post=posts(OPERATE, {"multipart/form-data": NewModel}, Added, status=201),
)
class LocalModels(LocalModelView):
    """List the local models that the key reaches, or add one from its code."""

    parser_classes = [MultiPartParser]
    read_permission = OF_MODELS.format("view")
    write_permission = OF_MODELS.format("add")

    def get(self, request: Request) -> Response:
        rows, user = control.status(settings.MODELS_LOG_DIR), request.user
        if getattr(user, "cruncher_id", None) is not None:
            act = OF_MODELS.format("operate")
            rows = [r for r in rows if may(user, act, cruncher_id=_owner(r, user))]
        return Response(LocalModelRow(rows, many=True).data)

    def act(self, request: Request) -> Response:
        """Add a local model from its code."""
        if getattr(request.user, "cruncher_id", None) is not None:
            raise PermissionDenied(
                "A participant's models are checked before they run; post them to "
                "/api/v1/submissions.",
                code="submissions_instead",
            )
        added = add_model(user=request.user, **read_body(NewModel, request))
        return Response({"model_id": added, "competition": _slug()}, 201)


class LogQuery(serializers.Serializer[Any]):
    cursor = serializers.CharField(
        required=False,
        max_length=60,
        help_text="Taken from the page before; without it, from the oldest line on.",
    )
    round = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=LARGEST_INT,
        help_text="The id of a round: what it printed while it was asked in it.",
    )


class LogPart(serializers.Serializer[Any]):
    """A part of what a model printed, and the cursor of the next part."""

    text = serializers.CharField()
    cursor = serializers.CharField()
    is_end = serializers.BooleanField(help_text="Whether nothing more is there yet.")


@extend_schema_view(
    get=extend_schema(
        tags=[OPERATE],
        operation_id="v1_local_model_log",
        summary="Read what a model printed",
        parameters=[LogQuery],
        responses=LogPart,
    )
)
class LocalModelLog(LocalModelView):
    """All that a model's processes printed, page by page: the newest 10 MiB.

    Lines like `[round 42: predict]` mark where a call of a round begins and ends.
    """

    http_method_names = ["get", "head", "options"]
    read_permission = OF_MODELS.format("operate")

    def get(self, request: Request, model_id: str) -> Response:
        model = status_of_model(model_id)
        require_act(request.user, self.read_permission, _owner(model, request.user))
        if model is None:
            raise NotFound(
                f"There is no local model {model_id}.", code="local_model_not_found"
            )
        query = read_query(LogQuery, request)
        cursor, log = query.get("cursor", ""), settings.MODELS_LOG_DIR
        path = log / f"{model_id}.log"
        if "round" not in query:
            return Response(LogPart(read_log(path, cursor)).data)
        page = read_round(path, query["round"], cursor)
        if page is None:
            raise NotFound(
                f"The log of {model_id} has nothing of round {query['round']}: the "
                "model was not asked in it, or it is older than the newest 10 MiB.",
                code="round_not_in_log",
            )
        return Response(LogPart(page).data)


class LocalActView(LocalModelView):
    """One of the actions on a local model."""

    name = ""
    write_permission = ""

    def act(self, request: Request, model_id: str) -> Response:
        model = status_of_model(model_id)
        require_act(request.user, self.write_permission, _owner(model, request.user))
        reason = read_body(Reason, request)["reason"]
        if model is None:
            raise NotFound(
                f"There is no local model {model_id}.", code="local_model_not_found"
            )
        message = perform(name=self.name, model=model, user=request.user, reason=reason)
        return Response({"message": message})


def act_view(name: str, says: str) -> type[LocalActView]:
    """Make the view of an action; `says` describes it for the schema."""
    body = {
        "__doc__": says,
        "name": name,
        "write_permission": OF_MODELS.format(ACTIONS[name].permission),
    }
    described = extend_schema_view(
        post=posts(OPERATE, Reason, ActMessage, asked={"reason": "it answers too late"})
    )
    made: type[LocalActView] = described(type("Act", (LocalActView,), body))
    return made


stop = act_view("stop", "End a local model's process until it is started again.")
start = act_view("start", "Start a local model that was stopped.")
restart = act_view("restart", "Start a local model anew, also out of quarantine.")
remove = act_view("remove", "Delete a local model's folder; its scores remain.")


def _slug() -> str:
    return settings.ENV.local_models_competition


def _own(user: Any) -> Cruncher | None:
    """Return the cruncher that a key speaks for, if it takes part with local models."""
    cruncher: Cruncher | None = getattr(getattr(user, "key", None), "cruncher", None)
    return cruncher if cruncher and cruncher.competition.slug == _slug() else None


def _owner(model: ModelStatus | None, user: Any) -> int | None:
    """Return the user's own cruncher if the model is that cruncher's, else None."""
    own = _own(user)
    is_own = model is not None and own is not None and model.cruncher == own.cruncher_id
    return own.pk if own and is_own else None


def require_act(user: Any, act: str, owner: int | None) -> None:
    """Refuse an act that the user may not do on what `owner`, a cruncher, has."""
    if not may(user, act, cruncher_id=owner):
        code = "scope_insufficient" if is_key(user) else "permission_denied"
        if owner is None and act in getattr(user, "acts_on_own", ()):
            raise PermissionDenied(NOT_YOURS, code=code)
        raise PermissionDenied(f"This does not permit {act} here.", code=code)
