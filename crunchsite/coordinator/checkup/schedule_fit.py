"""Do a node's schedule and its feed go together?"""

from competitions.contract import CrunchConfig, ScheduledPredictionConfig
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.installed import pack_of, read_schedule
from competitions.scopes import subject_in
from core.texts import counted
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.settings.env import Env
from crunchsite.settings.workspace import NodeFolder
from feeds import granularity
from feeds.errors import FeedError
from feeds.providers import sources
from feeds.providers.simulated_coins import COINS
from feeds.tape.records import FeedKey


def check_schedule(node: NodeFolder, env: Env) -> list[Line]:
    """Compare keys, horizons, intervals and subjects with the node's feed."""
    try:
        schedule = read_schedule(node.schedule_file)
        if twice := _repeated_keys(schedule):
            return twice
        feed = pack_of(node.spec_file, node.schedule_file).feed
    except ScaffoldError as error:
        return [Line("FAIL", "schedule_invalid", str(error))]
    kind = env.feed_kind or feed.kind
    length = env.feed_granularity or feed.granularity
    bad = []
    active = [each for each in schedule if each.active]
    if not active:
        do = f"Add one to {node.schedule_file}, unless rounds are posted."
        bad.append(Line("WARN", "schedule_empty", "no schedule is active.", do))
    for each in active:
        subject = subject_in(each.scope_template) or CrunchConfig().scope.subject
        bad += _feed_lines(
            each, FeedKey(env.feed_source, subject, kind, length), env.chosen_subjects
        )
        try:
            bad += _times(each, length, granularity.seconds(length))
        except FeedError:
            continue  # said by the lines of the feed
    return or_ok(
        bad,
        "schedule",
        f"the feed of {length} is fine enough ({counted(len(active), 'schedule')}).",
    )


def _repeated_keys(schedule: list[ScheduledPredictionConfig]) -> list[Line]:
    keys = [each.scope_key for each in schedule]
    return [
        Line("FAIL", "scope_key_twice", f"two schedules have the key {key}.", "Rename.")
        for key in sorted({key for key in keys if keys.count(key) > 1})
    ]


def _times(each: ScheduledPredictionConfig, length: str, length_s: int) -> list[Line]:
    horizon_s = each.schedule.resolve_horizon_seconds
    interval_s = each.schedule.prediction_interval_seconds
    bad = []
    if horizon_s == 0:
        found = f"{each.scope_key}: the horizon is 0, so models are shown the truth."
        do = "Lengthen it, unless that is meant."
        bad.append(Line("WARN", "horizon_zero", found, do))
    if 0 < horizon_s < length_s:
        found = (
            f"{each.scope_key}: the horizon of {horizon_s} s is shorter than the "
            f"feed's {length}."
        )
        do = "Lengthen it, or take a finer FEED_GRANULARITY."
        bad.append(Line("FAIL", "horizon_too_short", found, do))
    if interval_s < length_s:
        found = f"{each.scope_key}: asked each {interval_s} s, data come each {length}."
        do = "Models will see the same input again; lengthen the interval."
        bad.append(Line("WARN", "interval_too_short", found, do))
    return bad


def _feed_lines(
    each: ScheduledPredictionConfig, key: FeedKey, chosen: tuple[str, ...]
) -> list[Line]:
    try:
        sources.check_feed(key)
    except FeedError as error:
        do = "Correct FEED_SOURCE, FEED_KIND or FEED_GRANULARITY."
        return [Line("FAIL", error.code, f"{each.scope_key}: {error}.", do)]
    if chosen and key.subject not in chosen:
        found = (
            f"{each.scope_key} names {key.subject}, and FEED_SUBJECTS "
            f"{', '.join(chosen)}, which is asked about in its place."
        )
        do = "Name the same in both, or leave FEED_SUBJECTS out."
    elif key.source == "simulated" and key.subject not in COINS:
        found = (
            f"{each.scope_key} asks about {key.subject}, which the simulated exchange "
            "does not list; it makes up prices for any name."
        )
        do = "Correct it, if it is misspelled."
    else:
        return []
    return [Line("WARN", "subject_not_in_feed", found, do)]
