"""The competition that `manage.py up` runs: the demo, or that of a workspace."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import transaction

from competitions import definition, lifecycle, packs
from competitions.config_loader import load_config
from competitions.drafting import Draft, draft_competition
from competitions.models import Competition
from competitions.scaffold.installed import pack_of
from competitions.slots import wire
from core.errors import OperatorError
from core.files import write_file
from crunchsite import factories
from crunchsite.operator.following import follow_files
from crunchsite.stack.errors import StackError
from feeds.errors import UnknownGranularityError, UnknownKindError, UnknownSubjectError
from feeds.providers.sources import check_feed
from feeds.tape.records import FeedKey

SLUG = "btc-demo"
_VARIABLES: dict[type[OperatorError], str] = {
    UnknownSubjectError: "FEED_SUBJECTS",
    UnknownKindError: "FEED_KIND",
    UnknownGranularityError: "FEED_GRANULARITY",
}
# The demo closes and pays a period each minute, so that a checkpoint is soon seen; each
# hour where its rounds are rarer, or a fast clock makes an hour short.
PERIOD_S, LONG_PERIOD_S = 60, 3600
# Nobody is paid without a key; on chain this one is nobody's.
PLAY_MONEY = "play-money"


def pack_name() -> str:
    """The pack of the demo: minute candles replayed from a file suit baseline."""
    if settings.WORKSPACE:
        return str(settings.WORKSPACE.pack)
    if settings.ENV.demo_pack:
        return settings.ENV.demo_pack
    return packs.DEFAULT if settings.ENV.feed_source == "replay" else "realtime"


def check(var: Path) -> None:
    """Refuse a demo that cannot run, before anything is set up.

    Raises an OperatorError naming the thing and the remedy.
    """
    run_file, run = var / "demo.json", _run()
    before = json.loads(run_file.read_text()) if run_file.exists() else {}
    changed = {name for name, value in before.items() if run.get(name) != value}
    if changed:
        had, has = ({n: of[n] for n in run if n in changed} for of in (before, run))
        raise StackError(
            f"{var} holds a demo with {_words(had)}, this one has {_words(has)}; "
            "keep the two apart with VAR_DIR=var/another."
        )
    env = settings.ENV
    for error in factories.refused():
        raise error
    with _named("DEMO_PACK"):
        pack = _pack()
    feed = FeedKey(
        env.feed_source,
        "ANY",
        env.feed_kind or pack.feed.kind,
        env.feed_granularity or pack.feed.granularity,
    )
    _check_feed(feed, env.subjects)
    if not settings.LOCAL_MODELS_DIR.is_dir() and env.local_models_dir:
        raise StackError(
            f"LOCAL_MODELS_DIR was {settings.LOCAL_MODELS_DIR}, which is no folder."
        )
    wiring = definition.check_wiring(pack=pack, config_path=pack.contract)
    packs.check_schedule(
        packs.schedule_of(pack, wiring.config), feed_granularity=feed.granularity
    )


def _check_feed(feed: FeedKey, subjects: Sequence[str]) -> None:
    try:
        for subject in subjects:
            check_feed(feed._replace(subject=subject))
    except OperatorError as error:
        with _named(_VARIABLES.get(type(error), "FEED_SOURCE")):
            raise


@contextmanager
def _named(variable: str) -> Iterator[None]:
    """Name the variable in a refusal that knows only its value."""
    try:
        yield
    except (OperatorError, ValueError) as error:
        if variable in str(error):
            raise
        raise StackError(f"{variable}: {error}") from None


def _run() -> dict[str, str]:
    """What a demo's data depend on: another feed or pack needs data of its own."""
    return {
        "FEED_SOURCE": settings.ENV.feed_source,
        "DEMO_PACK": pack_name(),
        "FEED_SUBJECTS": ",".join(settings.ENV.subjects),
        "FEED_KIND": settings.ENV.feed_kind,
    }


def _words(run: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in run.items())


def pool_settings() -> dict[str, str]:
    """Switch the live pool on, in a store of this VAR_DIR, where nobody decided it."""
    env, wanted = settings.ENV, {}
    if "publish_enabled" not in env.model_fields_set and not env.cloud_bucket:
        wanted["PUBLISH_ENABLED"] = "true"
        if {"var_dir", "livepool_output_dir"} & env.model_fields_set == {"var_dir"}:
            wanted["LIVEPOOL_OUTPUT_DIR"] = str(env.var / "livepool-output")
    return wanted


@transaction.atomic
def ensure() -> Competition:
    """Create the demo competition on first use and let it run.

    One that exists is the operator's: it stays as it was left.
    """
    write_file(settings.VAR_DIR / "demo.json", json.dumps(_run()))
    workspace = settings.WORKSPACE
    slug = workspace.slug if workspace else SLUG
    if existing := Competition.objects.filter(slug=slug).first():
        return existing
    competition = lifecycle.create_competition(slug=slug, pack=_pack(), name=_name())
    if not workspace:
        is_short = pack_name() == "realtime" and settings.ENV.clock_speed == 1
        competition.snapshot_period_s = PERIOD_S if is_short else LONG_PERIOD_S
        competition.emission_interval_s = competition.snapshot_period_s
        competition.crunch_pubkey = competition.crunch_pubkey or PLAY_MONEY
        competition.save(
            update_fields=[
                *("snapshot_period_s", "emission_interval_s", "crunch_pubkey"),
            ]
        )
    return lifecycle.activate(competition_id=competition.pk)


def follow_workspace() -> list[str]:
    """Apply what changed in a workspace's files since; return what was done or is open.

    What an operator changed on the site stands.
    """
    workspace = settings.WORKSPACE
    return follow_files(workspace_draft(workspace.slug)).lines() if workspace else []


def workspace_draft(slug: str) -> Draft:
    """Return the competition that the files of this site's workspace define."""
    pack = _pack()
    return draft_competition(
        slug=slug,
        name=_name(),
        pack=pack,
        wiring=wire(load_config(pack.contract), pack.callables),
    )


def models_problem() -> str:
    """Say who has no models because of LOCAL_MODELS_COMPETITION, or nothing.

    They take part in one competition; an active demo asks nobody without them.
    """
    slug = settings.ENV.local_models_competition
    told: list[str] = []
    if not Competition.objects.filter(slug=slug).exists():
        told.append(
            f"LOCAL_MODELS_COMPETITION was {slug!r}, and there is no such competition: "
            "the local models take part in none until it is created."
        )
    own = settings.WORKSPACE.slug if settings.WORKSPACE else SLUG
    if own != slug and Competition.objects.active().filter(slug=own).exists():
        told.append(
            f"LOCAL_MODELS_COMPETITION is {slug!r}, so {own} has no models and its "
            "rounds no answers: pause it, or run a second site (VAR_DIR, PORT)."
        )
    return "\n  ".join(told)


def _pack() -> packs.Pack:
    if workspace := settings.WORKSPACE:
        return pack_of(workspace.spec_file, workspace.schedule_file)
    return packs.load(pack_name())


def _name() -> str:
    """`BTC demo`, `ETH demo`, `BTC and ETH demo`; a workspace's title."""
    if settings.WORKSPACE:
        return str(settings.WORKSPACE.title)
    coins = [s.removesuffix("USDT") for s in settings.ENV.subjects]
    return f"{' and '.join(coins)} demo"
