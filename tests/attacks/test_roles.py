"""Call every address with every role and method; one table has the right answers.

The addresses come from the URLconf and the admin's registry, so one that is new fails
here until it has its row. In full (ATTACKS=1) every method is asked, else those that
differ. HEAD is answered as GET; OPTIONS tells strangers no more than its `Allow`.
"""

import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from unittest.mock import patch

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test import Client
from django.urls import URLPattern, get_resolver

from competitions.models import (
    Competition,
    Cruncher,
    KeptRules,
    ParticipantModel,
    Round,
    ScheduledPrediction,
    SubmittedVersion,
    TournamentRound,
)
from core import audit
from core.facts import Fact, FactKind, announce
from crunchsite.events import outbox
from crunchsite.events.models import Webhook
from crunchsite.events.webhooks import give_secret
from crunchsite.keys.issuing import create_key
from crunchsite.keys.key_scopes import ROLES as ROLES_OF_SCOPES
from crunchsite.keys.key_scopes import KeyScope
from emissions.models import Dispute, PayoutEntry
from feeds import backfill_jobs
from feeds.tape.records import FeedKey
from livepool.models import Release, ShadowTrack
from proofs.models import LogCheckpoint, LogLeaf
from scoring.models import Rescoring, VoidWindow
from tests import factories
from tests.attacks.conftest import FULL
from tests.conftest import NOW
from tests.fakes.requests import undrawn

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

# ------------------------------------------------------------------ who is let in

STRANGER, OUTSIDER, STAFF = "stranger", "outsider", "staff"
ROLES = ("viewer", "operator", "finance", "admin")
ALL = (STRANGER, OUTSIDER, STAFF, *ROLES, "superuser")
ANYBODY, ANY_STAFF = frozenset(ALL), frozenset(ALL[2:])
VIEWERS = frozenset(ALL[3:])
OPERATORS = frozenset({"operator", "admin", "superuser"})
FINANCE = frozenset({"finance", "admin", "superuser"})
ADMINS = frozenset({"admin", "superuser"})
NOBODY: frozenset[str] = frozenset()

# A scope may what its role may; a cruncher's key may what the table names it for.
SCOPES = {scope.value: ROLES_OF_SCOPES.get(scope, STAFF) for scope in KeyScope}

LOGIN = 302
MARK = "hush"  # in every text of a draft
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
BARE = ["HEAD", "OPTIONS"]  # what is answered has no body of its own


@dataclass(frozen=True)
class Rule:
    """Who is let in, and what they are answered; `refused` unless 401 or 403."""

    who: frozenset[str]
    status: int = 200
    refused: int | None = None


Row = dict[str, Rule]  # by method; the others are 405


def reads(status: int = 200) -> Row:
    """A report or a public page: anybody reads."""
    return {"GET": Rule(ANYBODY, status)}


def writes(method: str, who: frozenset[str], status: int) -> Row:
    return {method: Rule(who, status)}


def asks(who: frozenset[str], status: int = 200, refused: int | None = None) -> Row:
    """A page of the admin, which takes any method but POST for GET."""
    return dict.fromkeys(METHODS, Rule(who, status, refused))


def form(who: frozenset[str]) -> Row:
    """A form of Django's own, which takes PUT for POST."""
    return dict.fromkeys(["GET", "POST", "PUT"], Rule(who))


# 404 and 422: let in, and there is nothing, or something is missing in the question.
TABLE: dict[str, Row] = {
    **dict.fromkeys(
        [
            *("home", "leaderboard-csv", "scores-csv", "model-csv"),
            *("model", "diversity", "feeds", "livepool", "rules"),
        ],
        reads(),
    ),
    **dict.fromkeys(
        [
            *(
                "healthz",
                "info",
                "reports-feeds",
                "reports-feeds-tail",
                "reports-rules",
            ),
            *("backfill-feeds", "backfill-jobs", "backfill-job", "data-index"),
            *("reports-models", "reports-schema", "reports-leaderboard-columns"),
            *("reports-metrics-widgets", "reports-leaderboard", "reports-predictions"),
            *("reports-snapshots", "models-global", "models-params", "models-metrics"),
            *("models-summary", "model-diversity", "model-ranks", "reports-diversity"),
            *("reports-correlations", "ensemble-history", "reports-checkpoints"),
            *("reports-checkpoint-latest", "reports-rewards", "reports-prizes-latest"),
            *("reports-checkpoint-payload", "reports-emission", "reports-cli-format"),
            *("reports-prizes", "reports-emission-latest", "livepool-releases"),
            *("livepool-status", "schema", "openapi-json", "docs", "v1:events"),
            *("v1:models", "v1:rounds", "v1:predictions", "v1:scores"),
            *("v1:snapshots", "v1:leaderboards", "v1:leaderboard"),
            *("v1:checkpoints", "v1:rewards", "v1:releases"),
            *("v1:feeds", "v1:feed-records"),
            *("v1:one-competition", "v1:one-model", "v1:one-round", "v1:one-score"),
            *("v1:one-prediction", "v1:one-snapshot", "v1:one-leaderboard"),
            *("v1:one-leaderboard-line", "v1:one-checkpoint", "v1:ledger"),
            *("v1:disputes", "v1:checkpoint-preview"),
            *("payouts", "payout-strategies", "statement", "statement-csv"),
            *("verify", "verifier-file", "witnesses"),
            *("redoc", "timing-metrics", "merkle-cycles"),
            *("tournament-status", "reports-rules"),
        ],
        reads(),
    ),
    "security-txt": reads(404),  # none is told of
    "readyz": reads(503),  # no worker here
    "model-rank-change": reads(422),
    **dict.fromkeys(["model-receipts", "merkle-proof", "days-index"], reads(422)),
    "receipt": reads(),
    "log": reads(),
    "log-witnesses": reads() | {"POST": Rule(ANYBODY, 422)},  # signed, or refused
    "receipt-file": reads(409),  # asked before the log began
    "bundle-file": reads(409),  # its checkpoint was made before the log began
    "merkle-cycle": reads(404),
    **dict.fromkeys(
        [
            *("data-file", "livepool-current", "livepool-release", "livepool-file"),
            *("v1:one-feed", "v1:one-release", "day-file"),
        ],
        reads(404),
    ),
    "metrics": {"GET": Rule(VIEWERS)},
    "backfill": writes("POST", OPERATORS, 422),
    "tournament-infer": writes("POST", OPERATORS, 422),
    "tournament-score": writes("POST", OPERATORS, 422),
    "backfill-cancel": writes("POST", OPERATORS, 200),
    # Acts of /api/v1/: 422 without a body.
    "v1:competition-edit": writes("POST", OPERATORS, 422),
    "v1:competitions": reads() | writes("POST", OPERATORS, 422),
    **{
        f"v1:{act}": {"GET": Rule(OPERATORS), "POST": Rule(OPERATORS, 422)}
        for act in ("activate", "pause", "end", "predict-now", "score-now")
    },
    **dict.fromkeys(["v1:rescore", "v1:void"], writes("POST", OPERATORS, 422)),
    **dict.fromkeys(
        ["v1:exclude-model", "v1:readmit-model"], writes("POST", OPERATORS, 422)
    ),
    **dict.fromkeys(
        [
            *("v1:make-checkpoints", "v1:confirm", "v1:correct-transaction"),
            *("v1:advance", "v1:adjust", "v1:answer-dispute"),
        ],
        writes("POST", FINANCE, 422),
    ),
    "v1:dispute": writes("POST", OPERATORS | FINANCE | {"write:models"}, 422),
    "v1:webhooks": {"GET": Rule(OPERATORS), "POST": Rule(OPERATORS, 422)},
    "v1:webhook": {"GET": Rule(OPERATORS, 404), "DELETE": Rule(ADMINS, 404)},
    "v1:webhook-rotate-secret": writes("POST", OPERATORS, 404),
    "v1:webhook-switch": writes("POST", OPERATORS, 404),
    "v1:webhook-deliveries": {"GET": Rule(VIEWERS, 404)},
    "v1:delivery-replay": writes("POST", OPERATORS, 404),
    "v1:backfills": {**reads(), **writes("POST", OPERATORS, 422)},
    "v1:one-backfill": reads(),
    "v1:cancel-backfill": writes("POST", OPERATORS, 409),  # cancelled further up
    "v1:publish-release": writes("POST", OPERATORS, 422),
    "v1:roll-back-release": writes("POST", OPERATORS, 422),
    "v1:local-models": {
        "GET": Rule(VIEWERS | {"write:models"}),
        "POST": Rule(OPERATORS, 422),
    },
    "v1:local-model-log": {"GET": Rule(OPERATORS, 404)},
    # A participant's key alone submits; operators read.
    "v1:submissions": {
        "GET": Rule(OPERATORS | {"write:models"}),
        "POST": Rule(frozenset({"write:models"}), 422),
    },
    "v1:submission-quota": {"GET": Rule(frozenset({"write:models"}))},
    "v1:one-submission": {"GET": Rule(OPERATORS | {"write:models"})},
    **dict.fromkeys(
        [f"v1:local-model-{act}" for act in ("stop", "start", "restart")],
        writes("POST", OPERATORS, 422),
    ),
    "v1:local-model-remove": writes("POST", ADMINS, 422),
    "reports-checkpoint-confirm": writes("POST", FINANCE, 422),
    "reports-checkpoint-transaction": writes("POST", FINANCE, 422),
    "reports-checkpoint-status": writes("PATCH", FINANCE, 422),
    **dict.fromkeys(["^admin$"], dict.fromkeys(METHODS, Rule(ANYBODY, 302))),
    # The admin's own pages.
    "admin:login": form(ANYBODY) | {"GET": Rule(ANY_STAFF, 302, refused=200)},
    "admin:logout": {"POST": Rule(ANY_STAFF)},
    **dict.fromkeys(["admin:index", "admin:search"], asks(ANY_STAFF)),
    "admin:jsi18n": {"GET": Rule(ANY_STAFF)},
    "admin:password_change_done": {"GET": Rule(ANY_STAFF)},
    "admin:password_change": form(ANY_STAFF),
    "admin:app_list": asks(VIEWERS, refused=404),
    "admin:autocomplete": {"GET": Rule(NOBODY)},
    "admin:view_on_site": asks(ANY_STAFF, 404),
    "admin/(?P<url>.*)$": asks(ANY_STAFF, 404),
    # Acts.
    "admin:competition-act": asks(OPERATORS),
    "admin:competition-correct": asks(OPERATORS),
    **dict.fromkeys(
        [
            f"admin:competitions_competition_{act}"
            for act in (
                *("activate", "pause", "end", "predict_now", "score_now"),
                *("score_again", "void_stretch"),
            )
        ],
        asks(OPERATORS, 302),
    ),
    **dict.fromkeys(["admin:model-exclude", "admin:model-readmit"], asks(OPERATORS)),
    **dict.fromkeys(
        [
            f"admin:competitions_participantmodel_{act}"
            for act in ("exclude_model", "readmit_model")
        ],
        asks(OPERATORS, 302),
    ),
    "admin:checkpoint-transaction": asks(FINANCE),
    "admin:emissions_checkpoint_correct_transaction": asks(FINANCE, 302),
    "admin:local-models": asks(VIEWERS),
    "admin:local-model": asks(VIEWERS, 404),
    "admin:local-model-add": asks(OPERATORS),
    "admin:local-model-act": asks(OPERATORS, 404),
    "admin:livepool-rollback": asks(OPERATORS),
    "admin:webhook-secret": asks(OPERATORS),
    "admin:events_webhook_show_secret": asks(OPERATORS, 302),
    "admin:events_webhook_rotate_secret": asks(OPERATORS, 302),
    "admin:livepool_release_roll_back": asks(OPERATORS, 302),
    "admin:auth_user_password_change": asks(ADMINS),
}


@dataclass(frozen=True)
class Rights:
    """Who may do what with the rows of a model, on its pages in the admin."""

    view: frozenset[str] = VIEWERS
    add: frozenset[str] = NOBODY
    change: frozenset[str] = NOBODY
    delete: frozenset[str] = NOBODY

    def rows(self, model: str) -> dict[str, Row]:
        name = f"admin:{model}"
        app, _, short = model.partition("_")
        return {
            f"{name}_changelist": asks(self.view),
            f"{name}_history": asks(self.view),
            f"{name}_add": asks(self.add),
            f"{name}_delete": asks(self.delete),
            f"{name}_change": asks(self.view) | {"POST": Rule(self.change)},
            f"admin/{app}/{short}/<path:object_id>/": asks(ANY_STAFF, 302),
        }


MODELS: dict[str, Rights] = {
    "admin_logentry": Rights(),
    "auth_user": Rights(ADMINS, ADMINS, ADMINS, ADMINS),
    "auth_group": Rights(ADMINS, ADMINS, ADMINS, ADMINS),
    "keys_apikey": Rights(OPERATORS, ADMINS),
    "events_event": Rights(),
    "events_delivery": Rights(),
    "events_webhook": Rights(OPERATORS, OPERATORS, OPERATORS, ADMINS),
    "axes_accessattempt": Rights(OPERATORS, NOBODY, ADMINS, OPERATORS),
    "axes_accesslog": Rights(ADMINS, NOBODY, ADMINS, ADMINS),
    "axes_accessfailurelog": Rights(ADMINS, NOBODY, ADMINS, ADMINS),
    "competitions_competition": Rights(add=OPERATORS, change=OPERATORS),
    "competitions_scheduledprediction": Rights(add=OPERATORS, change=OPERATORS),
    "competitions_cruncher": Rights(change=FINANCE),
    "competitions_participantmodel": Rights(),
    "competitions_round": Rights(),
    "competitions_prediction": Rights(),
    "competitions_tournamentround": Rights(),
    "competitions_submittedversion": Rights(OPERATORS),
    "scoring_score": Rights(),
    "scoring_snapshot": Rights(),
    "scoring_rescoring": Rights(),
    "scoring_voidwindow": Rights(),
    "scoring_leaderboard": Rights(),
    "scoring_leaderboardentry": Rights(),
    "emissions_checkpoint": Rights(),
    "emissions_dispute": Rights(),
    "emissions_payoutentry": Rights(),
    "proofs_logleaf": Rights(),
    "proofs_logcheckpoint": Rights(),
    "competitions_keptrules": Rights(),
    "livepool_release": Rights(),
    "livepool_shadowtrack": Rights(),
    "feeds_feedsubscription": Rights(add=OPERATORS, change=OPERATORS, delete=ADMINS),
    "feeds_backfilljob": Rights(delete=ADMINS),
}
for _model, _rights in MODELS.items():
    TABLE |= _rights.rows(_model)
    if _model.startswith("axes_"):  # an empty form of it can be saved
        TABLE[f"admin:{_model}_change"]["POST"] = Rule(_rights.change, 302)
TABLE["admin:admin_logentry_history"] = asks(VIEWERS, refused=302)

# Under API_READ_AUTH these alone are told to strangers.
OPEN = {"healthz", "readyz", "info", "security-txt", "metrics"}

# ------------------------------------------------------------------ the addresses


@dataclass(frozen=True)
class Address:
    """A pattern of the URLconf: its key in the table, and its route in whole."""

    key: str
    route: str

    @property
    def is_of_admin(self) -> bool:
        return self.route.startswith("admin/")

    @property
    def is_page(self) -> bool:
        """Return whether people use the address, so that they are led to the login."""
        return self.key in {
            *("home", "leaderboard-csv", "scores-csv", "model-csv", "model"),
            *("diversity", "feeds", "livepool", "rules", "^admin$"),
            *("payouts", "payout-strategies", "statement", "statement-csv"),
            *("verify", "bundle-file", "verifier-file", "witnesses"),
        }

    def path(self, values: dict[str, object]) -> str:
        """The path with a value for each of its parts."""
        model = self.route.split("/")[2] if self.route.count("/") > 2 else ""
        own = {**values, "object_id": values.get(model, 1), "id": values["user"]}
        if self.key == "admin:local-model-act":
            own["name"] = "stop"
        if self.key.startswith("v1:one-"):
            own["id"] = values.get(self.key.removeprefix("v1:one-"), 0)
        route = re.sub(r"\(\?P<(\w+)>[^)]+\)", lambda m: str(own[m[1]]), self.route)
        route = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: str(own[m[1]]), route)
        return "/" + re.sub(r"/\?|[\^$\\]", "", route)


def addresses() -> list[Address]:
    """Every address once; the aliases below /api/ are compared apart."""
    return [
        Address(name if pattern.name else route, route)
        for name, route, pattern in walk(get_resolver())
        if not name.startswith("api:")
    ]


def walk(resolver, prefix="", spaces=()):
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield ":".join([*spaces, str(pattern.name)]), route, pattern
        else:
            space = (pattern.namespace,) if pattern.namespace else ()
            yield from walk(pattern, route, (*spaces, *space))


# ------------------------------------------------------------------ the world


def user(role: str) -> User | None:
    if role == STRANGER:
        return None
    if role == "superuser":
        return User.objects.create_superuser(role)
    made = User.objects.create_user(role, is_staff=role != OUTSIDER)
    if role in ROLES:
        made.groups.add(Group.objects.get(name=role))
    return made


def client_of(who: User | None) -> Client:
    client = Client(raise_request_exception=False)
    if who is not None:
        client.force_login(who)
    return client


@pytest.fixture
def world(db, tape, frozen_clock, settings, tmp_path):
    settings.MODELS_LOG_DIR = tmp_path  # no orchestrator has run
    return factories.running_competition(at=NOW, models=2, hours=1)


def values_of(made: factories.World) -> dict[str, object]:
    """A value for each part of any path, and for each model's `object_id`."""
    job = backfill_jobs.start(
        key=FeedKey("simulated", "BTCUSDT", "candle", "1m"),
        start_at=NOW - timedelta(hours=2),
        end_at=NOW,
    )
    feed = factories.subscription(
        created_at=NOW,
    )
    target = User.objects.create_user("target")
    audit.note(target, [feed], flag=CHANGE, what="polled")
    snapshot = made.models[0].snapshots.first()
    prediction = made.rounds[0].predictions.first()
    why = {"reason": MARK, "author": "olga", "created_at": NOW}
    of = {"competition": made.competition, **why}
    hour = NOW, NOW + timedelta(hours=1)
    rows = {
        "competition": made.competition,
        "scheduledprediction": made.scheduled,
        "cruncher": made.models[0].cruncher,
        "participantmodel": made.models[0],
        "round": made.rounds[0],
        "prediction": prediction,
        "tournamentround": TournamentRound.objects.create(
            competition=made.competition,
            scheduled_prediction=made.scheduled,
            round_id=f"march-{MARK}",
            samples=1,
            created_at=NOW,
        ),
        "submittedversion": (submitted := submitted_by(made.models[0])),
        "score": prediction.scores.first(),
        "snapshot": snapshot,
        "leaderboard": made.board,
        "leaderboardentry": made.board.entries.first(),
        "checkpoint": made.checkpoints[-1],
        "feedsubscription": feed,
        "backfilljob": job,
        "user": target,
        "group": Group.objects.create(name="helpers"),
        "logentry": LogEntry.objects.first(),
        "rescoring": Rescoring.objects.create(
            scoring_version=2, period_start=hour[0], period_end=hour[1], **of
        ),
        "voidwindow": VoidWindow.objects.create(start_at=hour[0], end_at=hour[1], **of),
        "release": Release.objects.create(
            version="2026-02-28-core_major",
            mode="core_major",
            as_of_date=NOW.date(),
            symbols=["BTCUSDT"],
            symbol_map={},
            universe={},
            ranking=[],
            checksums={},
            created_at=NOW,
        ),
        "dispute": Dispute.objects.create(
            checkpoint=made.checkpoints[-1], author=target, reason=MARK, created_at=NOW
        ),
        "payoutentry": PayoutEntry.objects.create(
            checkpoint=made.checkpoints[-1],
            cruncher_index=0,
            kind="ADJUSTMENT",
            amount=1,
            reason=MARK,
            created_at=NOW,
        ),
        "logleaf": LogLeaf.objects.create(
            kind="round", key=MARK, entry=MARK.encode(), seed=bytes(64), at=NOW
        ),
        "logcheckpoint": LogCheckpoint.objects.create(
            size=99, root=bytes(32), note="none", signed_at=NOW
        ),
        "keptrules": KeptRules.objects.create(
            competition=made.competition, number=99, begins_at=NOW, rules={}
        ),
        "shadowtrack": ShadowTrack.objects.create(
            track_id="t", mode="core_major", release_count=0, releases=[], built_at=NOW
        ),
        **events_of(made.competition),
        "apikey": create_key(name="target", scopes=["read"])[0],
        "accessattempt": AccessAttempt.objects.create(failures_since_start=1),
        "accesslog": AccessLog.objects.create(),
        "accessfailurelog": AccessFailureLog.objects.create(),
    }
    return {name: row.pk for name, row in rows.items()} | {
        "submission": submitted.pk,
        "model_id": made.models[0].model_id,
        "slug": made.competition.slug,
        "webhook_id": "none",
        "delivery_id": "none",
        "round_id": "none",
        "job_id": job.pk,
        "checkpoint_id": made.checkpoints[-1],
        "dispute_id": rows["dispute"].pk,
        "cruncher_index": 0,
        "version": "none",
        "feed": "none",
        "name": "pause",
        "kind": "rescore",
        "verb": "show",
        "source": "simulated",
        "subject": "BTCUSDT",
        "granularity": "1m",
        "filename": "none.parquet",
        "path": "checkpoint",
        "prediction_id": prediction.pk,
        "cycle_id": "CYC_0",
        "content_type_id": 1,
        "app_label": "competitions",
        "url": "none",
    }


def submitted_by(model: ParticipantModel) -> SubmittedVersion:
    return SubmittedVersion.objects.create(
        competition=model.competition,
        cruncher=model.cruncher,
        model_id=MARK,
        version=1,
        created_at=NOW,
    )


def events_of(competition: Competition) -> dict[str, object]:
    """Create an event of the competition, a webhook and a delivery."""
    webhook = Webhook(
        name=f"{MARK} bot", url="https://1.1.1.1", competition=competition
    )
    give_secret(webhook)
    webhook.save()
    announce(Fact(FactKind.BOARD_MOVED, competition.pk, {"name": MARK}))
    outbox.number_events()
    delivery = webhook.deliveries.get()
    return {"webhook": webhook, "event": delivery.event, "delivery": delivery}


@contextmanager
def undrawn_for(who: User | AnonymousUser):
    """Decide on pages by who asks, without looking that up each time, nor drawing them.

    Other tests log in, and look at what the pages show.
    """
    logging.disable()
    try:
        with (
            patch("django.contrib.auth.middleware.get_user", lambda _: who),
            undrawn(),
            patch.object(admin.site, "each_context", lambda _: {}),
        ):
            yield
    finally:
        logging.disable(logging.NOTSET)


# ------------------------------------------------------------------ the tests


def methods_of(address: Address, role: str) -> list[str]:
    """All of them in full; else those that differ, and one that is not taken.

    What is not taken is the same for all, as is the admin's answer to any key.
    """
    if FULL:
        return METHODS + BARE
    bare = BARE if role == STRANGER else []
    if address.is_of_admin:
        if role in SCOPES and role != KeyScope.ADMIN:
            return []
        is_posted = not address.key.endswith(("_changelist", "_history", "/"))
        return [*(["GET", "POST"] if is_posted else ["GET"]), *bare]
    not_taken = ["DELETE"] if role in (STRANGER, "superuser", KeyScope.ADMIN) else []
    return [*TABLE[address.key], *not_taken, *bare]


def expected(address: Address, method: str, role: str) -> int:
    rule = rule_of(address, method)
    is_unknown = role in (STRANGER, OUTSIDER)
    if address.is_of_admin and is_unknown and address.key != "admin:login":
        return LOGIN
    if rule is None:
        return 405
    if role in rule.who:
        return rule.status
    return rule.refused or (401 if role == STRANGER else 403)


def rule_of(address: Address, method: str) -> Rule | None:
    if method == "OPTIONS":
        return options(address)
    return TABLE[address.key].get("GET" if method == "HEAD" else method)


def options(address: Address) -> Rule | None:
    """Whom OPTIONS is answered: in the API, whoever may read there, if any may."""
    row = TABLE[address.key]
    if address.key in {"admin:login", "admin:logout", "admin:autocomplete"}:
        # Django's own views look at no more than who may see the admin.
        return Rule(ANYBODY if address.key == "admin:login" else ANY_STAFF)
    if address.is_of_admin or address.key in {"redoc", "^admin$"}:
        return row.get("GET")
    if address.key in {"v1:submission-quota", "v1:local-model-log"}:
        # Whose the quota or the log is, only a read looks at.
        return Rule(OPERATORS | {"write:models"})
    is_asked = not (address.is_page or address.key in {"docs", "security-txt"})
    return Rule(row["GET"].who if "GET" in row else ANYBODY) if is_asked else None


def is_bare(answer, method: str) -> bool:
    """Whether an answer to HEAD or OPTIONS has no body, but that of a refusal."""
    if method == "HEAD":
        return answer.content == b""
    return answer.status_code != 200 or answer.content.strip() in (b"", b"{}")


def test_each_address_has_its_row():
    found = {address.key for address in addresses()}
    assert found - set(TABLE) == set(), "say in the table above who may do what there"
    assert set(TABLE) - found == set(), "rows without an address"
    registered = {
        f"{model._meta.app_label}_{model._meta.model_name}"
        for model in admin.site._registry
    }
    assert registered == set(MODELS)


def test_below_api_are_the_same_views_by_the_same_names():
    found = {
        name: (route, pattern.callback) for name, route, pattern in walk(get_resolver())
    }
    aliases = {name: of for name, of in found.items() if name.startswith("api:")}
    assert aliases
    for name, (route, view) in aliases.items():
        own_route, own_view = found[name.removeprefix("api:")]
        assert (route, view) == (f"api/{own_route}", own_view)


@pytest.mark.attack("every address by every role and method", held_by="core.acts")
@pytest.mark.parametrize("role", ALL)
def test_each_address_lets_in_whom_the_table_says(role, world, seen):
    values, client = values_of(world), Client(raise_request_exception=False)
    wrong, asked = {}, 0
    with undrawn_for(user(role) or AnonymousUser()):
        for address in addresses():
            for method in methods_of(address, role):
                answer = client.generic(method, address.path(values))
                right = expected(address, method, role)
                asked += 1
                if answer.status_code != right:
                    wrong[address.key, method] = (answer.status_code, right)
                if method in BARE and not is_bare(answer, method):
                    wrong[address.key, method] = answer.content
    seen(f"{asked} requests as {role}")
    assert wrong == {}


def key_of(scope: str, made: factories.World) -> dict[str, str]:
    """The header of a key that may as much as its scope can give."""
    cruncher = made.models[0].cruncher if scope == KeyScope.MODELS else None
    _, token = create_key(name=scope, scopes=[scope], cruncher=cruncher)
    return {"Authorization": f"Bearer {token}"}


def expected_of_key(address: Address, method: str, scope: str) -> int:
    """Return the expected answer to a key, which the admin does not accept."""
    if address.is_of_admin:
        return expected(address, method, STRANGER)
    rule = rule_of(address, method)
    is_named = rule is not None and scope in rule.who
    return expected(address, method, scope if is_named else SCOPES[scope])


@pytest.mark.attack("every address by every scope", held_by="crunchsite.keys")
@pytest.mark.parametrize("scope", SCOPES)
def test_each_address_lets_in_the_keys_that_the_table_says(scope, world, seen):
    values, client = values_of(world), Client(raise_request_exception=False)
    headers, wrong, asked = key_of(scope, world), {}, 0
    with undrawn_for(AnonymousUser()):
        for address in addresses():
            for method in methods_of(address, scope):
                answer = client.generic(method, address.path(values), headers=headers)
                right = expected_of_key(address, method, scope)
                asked += 1
                if answer.status_code != right:
                    wrong[address.key, method] = (answer.status_code, right)
    seen(f"{asked} requests with {scope}")
    assert wrong == {}


@pytest.mark.attack("writing with a key of elsewhere", held_by="core.acts.bound_to")
@pytest.mark.parametrize("scope", [KeyScope.PAYOUTS, KeyScope.OPERATE, KeyScope.ADMIN])
def test_no_write_is_done_with_a_key_of_another_competition(scope, world):
    other = factories.competition("other-cup")
    _, token = create_key(name=scope, scopes=[scope], competition=other)
    values, client = values_of(world), Client(raise_request_exception=False)
    wrong = {}
    with undrawn_for(AnonymousUser()):
        for address in (each for each in addresses() if not each.is_of_admin):
            for method, rule in TABLE[address.key].items():
                if rule.who == ANYBODY:
                    continue
                answer = client.generic(
                    method,
                    f"{address.path(values)}?competition={world.competition.slug}",
                    headers={"Authorization": f"Bearer {token}"},
                )
                if answer.status_code != 403:
                    wrong[address.key, method] = answer.status_code
    assert wrong == {}


@pytest.mark.attack("reading round API_READ_AUTH", held_by="crunchsite.readers")
@pytest.mark.parametrize("role", [STRANGER, OUTSIDER, STAFF] if FULL else [OUTSIDER])
def test_under_api_read_auth_strangers_do_not_read(role, world, settings):
    settings.ENV = settings.ENV.model_copy(update={"api_read_auth": True})
    values, client = values_of(world), client_of(user(role))
    wrong = {}
    for address in (each for each in addresses() if not each.is_of_admin):
        right = expected(address, "GET", role)
        if role != STAFF and address.key not in OPEN:
            is_led = role == STRANGER and address.is_page
            right = LOGIN if is_led else 401 if role == STRANGER else 403
        path = address.path(values)
        for each in (path, f"/api{path}") if has_alias(address) else (path,):
            with undrawn():
                answer = client.get(each)
            if answer.status_code != right:
                wrong[each] = (answer.status_code, right)
            if right == LOGIN and address.is_page and role != STAFF:
                assert answer["Location"].startswith("/admin/login/"), each
    assert wrong == {}


@pytest.mark.parametrize("scope", SCOPES if FULL else [KeyScope.READ])
def test_under_api_read_auth_a_key_reads_all_but_the_admin(scope, world, settings):
    settings.ENV = settings.ENV.model_copy(update={"api_read_auth": True})
    values, headers, wrong = values_of(world), key_of(scope, world), {}
    client = Client(raise_request_exception=False)
    for address in addresses():
        with undrawn():
            answer = client.get(address.path(values), headers=headers)
        right = expected_of_key(address, "GET", scope)
        if answer.status_code != right:
            wrong[address.key] = (answer.status_code, right)
    assert wrong == {}


@pytest.mark.attack("a key's answer from a cache", held_by="crunchsite.caches")
@pytest.mark.parametrize("asker", ["key", "session"])
def test_no_shared_cache_keeps_what_a_key_or_a_session_has_read(asker, world):
    values, wrong = values_of(world), {}
    headers = key_of("admin", world) if asker == "key" else {}
    client = client_of(None if asker == "key" else user("admin"))
    for address in addresses():
        if address.is_of_admin or address.key in OPEN:
            continue
        with undrawn():
            answer = client.get(address.path(values), headers=headers)
        told = answer.get("Cache-Control", "")
        varies = {"Authorization", "X-API-Key", "Cookie"} <= set(
            answer.get("Vary", "").split(", ")
        )
        if "private" not in told or not varies:
            wrong[address.key] = (told, answer.get("Vary"))
    assert wrong == {}


def has_alias(address: Address) -> bool:
    """Whether it is below /api/ too."""
    return not (
        address.is_page
        or address.is_of_admin
        or address.key == "security-txt"
        or address.key.startswith("v1:")
    )


@pytest.fixture
def draft(world):
    """A draft whose every text holds MARK, with all that a competition can have."""
    made = factories.running_competition(at=NOW, models=2, hours=1, slug=f"{MARK}-cup")
    of = {"competition": made.competition}
    Competition.objects.filter(pk=made.competition.pk).update(
        status="DRAFT", name=f"{MARK} cup"
    )
    Cruncher.objects.filter(**of).update(name=MARK, wallet=MARK)
    ScheduledPrediction.objects.filter(**of).update(scope_key=MARK)
    Round.objects.filter(**of).update(scope_key=MARK, reason=MARK)
    for model in ParticipantModel.objects.filter(**of):
        model.model_id, model.name = f"{MARK}-{model.pk}", MARK
        model.save(update_fields=["model_id", "name"])
    made.models[0].refresh_from_db()
    for checkpoint in made.checkpoints:
        checkpoint.meta["ranking"][0]["model_name"] = MARK
        checkpoint.save()
    return made


@pytest.mark.attack("looking for a draft", held_by="Competition.objects.seen_by")
@pytest.mark.parametrize("role", [STRANGER, OUTSIDER, STAFF])
def test_a_draft_is_nowhere_for_who_may_not_see_it(role, draft):
    values, client = values_of(draft), client_of(user(role))
    asked = {"competition": f"{MARK}-cup"}
    for address in addresses():
        if address.is_of_admin and address.key != "admin:index":
            continue
        path = address.path(values)
        for query in ({}, asked):
            answer = client.get(path, query)
            hidden = (path, asked["competition"], values["model_id"])
            assert MARK not in shown(answer, hidden=hidden), path


def test_who_may_see_drafts_sees_them_everywhere(draft):
    values, client = values_of(draft), client_of(user("viewer"))
    asked = {"competition": f"{MARK}-cup"}
    for address in addresses():
        rule = TABLE[address.key].get("GET")
        if address.is_of_admin or rule is None or "viewer" not in rule.who:
            continue
        answer = client.get(address.path(values), asked)
        assert answer.status_code == rule.status, address
    assert MARK in client.get("/").content.decode()
    assert "private" in client.get("/")["Cache-Control"]


@pytest.mark.attack("looking for a draft in the admin", held_by="SiteAdmin")
def test_no_list_form_or_act_of_the_admin_shows_a_draft_without_the_permission(draft):
    """Whoever may do all but view competitions meets no trace of one."""
    values = values_of(draft)
    who = user(STAFF)
    who.user_permissions.set(
        Permission.objects.exclude(codename__in=["view_competition"])
    )
    client = client_of(who)
    for address in addresses():
        is_far = re.match(r"admin/(auth|axes|feeds|livepool|logout)/", address.route)
        if address.is_of_admin and not is_far:  # from any competition
            path = address.path(values)
            assert MARK not in shown(client.get(path), hidden=(path,)), path


def shown(answer, *, hidden) -> str:
    """What an answer shows, without what was asked."""
    text = b"".join(answer) if answer.streaming else answer.content
    text = text.decode(errors="replace")
    for asked in hidden:
        text = text.replace(asked, "")
    return text


def test_strangers_are_told_the_state_alone(draft, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for role in (STRANGER, OUTSIDER, STAFF):
        answer = client_of(user(role)).get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    told = client_of(user("viewer")).get("/readyz").json()
    assert "redis" in told["problems"]


def test_a_password_is_taken_by_the_login_alone(world):
    """Basic and bearer credentials are nobody's, so no guessing goes past the login."""
    User.objects.create_superuser("olga", password="right")
    right = "b2xnYTpyaWdodA=="  # olga:right
    for given in (f"Basic {right}", f"Bearer {right}", f"Token {right}"):
        answer = Client().post("/reports/backfill", headers={"Authorization": given})
        assert answer.status_code == 401, given
        assert "Basic" not in answer["WWW-Authenticate"]
