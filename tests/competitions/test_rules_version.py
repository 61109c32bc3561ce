"""The rules have one digest, which changes with a setting, a path or a source."""

import json

from django.db import transaction

from competitions import rules_version
from competitions.rules_version import log_rules, source_digest
from competitions.slots import wire
from competitions.wiring import wiring_of
from proofs.models import LogLeaf
from tests.competitions import own_callables


def digest(competition, wiring=None):
    found = rules_version.rules_version(competition, wiring or wiring_of(competition))
    return found.digest


def test_the_digest_is_of_the_rules_alone(competition):
    before = digest(competition)
    competition.name = "another"
    assert digest(competition) == before
    competition.score_interval_s += 1
    assert digest(competition) != before


def test_another_callable_or_contract_is_another_version(competition):
    wiring = wiring_of(competition)
    other = wire(
        wiring.config,
        {"SCORING_FUNCTION": "tests.competitions.own_callables:double_score"},
    )
    config = wiring.config.model_copy(update={"min_paid_coverage": 0.75})
    digests = {digest(competition, each) for each in (wiring, other, wire(config, {}))}
    assert len(digests) == 3


def test_the_rules_name_each_callable_with_the_digest_of_its_source(competition):
    rules = rules_version.rules_version(competition, wiring_of(competition))
    callables = json.loads(rules.text)["callables"]
    assert len(callables) >= 10
    assert all(len(each["source"]) == 64 for each in callables.values())


def test_a_source_is_a_file_and_what_has_none_is_unknown():
    assert len(source_digest(own_callables.double_score)) == 64
    assert source_digest(len) is None


def test_rules_are_appended_once_however_often_they_hold(
    competition, django_capture_on_commit_callbacks, django_assert_num_queries
):
    wiring = wiring_of(competition)
    rules_version.forget()
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        first = log_rules(competition, wiring)
    with django_assert_num_queries(0):
        assert log_rules(competition, wiring) == first
    rules_version.forget()
    assert log_rules(competition, wiring) == first
    assert LogLeaf.objects.filter(kind="rules").count() == 1
