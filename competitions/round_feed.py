"""Return the feed of a schedule or a round: one rule for the subject."""

from collections.abc import Mapping
from typing import Any

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.scopes import subject_in
from feeds.tape.records import FeedKey


def feed_of(
    competition: Competition, scope: Mapping[str, Any], config: CrunchConfig
) -> FeedKey:
    """Return the feed of a competition that a scope is about."""
    return competition.feed(subject_of(scope, config))


def subject_of(scope: Mapping[str, Any], config: CrunchConfig) -> str:
    """Return the subject that a scope names, else the contract's."""
    return subject_in(scope) or config.scope.subject
