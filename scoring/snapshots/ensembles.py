"""Ensembles: virtual models whose signal is a weighted mean of the real models'.

Weights follow from the snapshot period before, over the models of this one so far that
are not excluded, and never look ahead; in a first period everybody weighs the same. A
resolved round gets the ensemble's prediction and score like any model's, before the
metrics that compare with it. The weights are stored with the prediction, and a rebuild
takes them from there: a correction of the period before, or a new model, would change
them. Ensembles have no rank and are never paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.contract import EnsembleConfig
from competitions.models import Competition, ParticipantModel, Prediction, Round
from competitions.models.participants import ELIGIBLE
from competitions.slots import Wiring
from core.grid import Period
from core.texts import brief
from scoring.metrics.ranks import Floats
from scoring.models import Snapshot
from scoring.snapshots.ensemble_rounds import store_round_blends
from scoring.snapshots.ensemble_weights import (
    STRATEGIES,
    MetricsByModel,
    SignalsByModel,
    blended,
    members_of,
    normalised,
)
from scoring.snapshots.matrices import PeriodScores, read_again, read_scores

# Weights are rounded to these digits, in use as in a prediction's meta.
_DIGITS = 6
PREFIX, SUFFIX = "__ensemble_", "__"

# Weights by member's model id; all above 0.
Shares = dict[str, float]


def model_id_of(name: str) -> str:
    """Return the model id of an ensemble."""
    return f"{PREFIX}{name}{SUFFIX}"


def ensemble_name(model_id: str) -> str:
    """Return the ensemble's name; the inverse of `model_id_of`."""
    return model_id.removeprefix(PREFIX).removesuffix(SUFFIX)


def has_own_code(config: EnsembleConfig) -> bool:
    """Return whether an ensemble calls code of the operator's."""
    return callable(config.strategy) or callable(config.model_filter)


@dataclass(frozen=True)
class Blend:
    """An ensemble's weights in a period: by member, and as one per matrix column."""

    name: str
    shares: Shares
    weights: Floats


class PeriodEnsembles:
    """The ensembles of a period; scores are read, and weights computed, only once.

    `scores` are the period's matrices, with the ensembles' own columns.
    """

    def __init__(
        self,
        *,
        competition: Competition,
        wiring: Wiring,
        period: Period,
        guarded: GuardedCalls,
    ) -> None:
        self.competition, self.wiring, self.period = competition, wiring, period
        self.guarded = guarded
        self._configs = [each for each in wiring.config.ensembles if each.enabled]
        self._computed: dict[str, Shares | None] = {}
        self.scores: PeriodScores = read_scores(
            competition=competition, wiring=wiring, period=period
        )

    def blends(self) -> list[Blend]:
        """Return the ensembles with their weights, in the order of the contract.

        The weights are those of an ensemble's newest prediction of the period, so that
        a rebuild uses them whatever became of the period before. Without one they are
        computed; an ensemble without members, or whose strategy fails, is left out.
        """
        if not self._configs:
            return []
        shares = self._stored_shares()
        new = [config for config in self._configs if config.name not in shares]
        shares |= self._shares_of(new)
        # The first one is the one that metrics compare with.
        names = [c.name for c in self._configs if c.name in shares]
        return [self._blend(name, shares[name]) for name in names]

    def ask(self) -> None:
        """Compute the weights that `fill` will need, for calls that are sealed then."""
        self._shares_of(self._incomplete())

    def fill(self, *, version: int) -> None:
        """Store the ensembles' predictions and scores of rounds that lack them.

        `version` is the scoring version. The caller holds the competition's lock. A
        statement or two if no round lacks any.
        """
        incomplete = self._incomplete()
        if not incomplete:
            return
        shares = self._shares_of(incomplete)
        models = self._virtual_models(list(shares))
        for name, mine in shares.items():
            blend = self._blend(name, mine)
            values = blended(blend.weights, self.scores.signals)
            missing = ~self._has_prediction(models[name].pk) & ~np.isnan(values)
            answers = zip(
                self.scores.round_ids[missing].tolist(),
                values[missing].tolist(),
                strict=True,
            )
            store_round_blends(
                wiring=self.wiring,
                model=models[name].pk,
                answers=dict(answers),
                meta={"ensemble_name": name, "weights": mine},
                version=version,
            )
        self.scores = read_again(
            self.scores,
            competition=self.competition,
            wiring=self.wiring,
            period=self.period,
            models=[model.pk for model in models.values()],
        )

    @cached_property
    def _models(self) -> dict[int, tuple[str, bool]]:
        """Model id, and whether it may be a member, by key; in the order of the ids."""
        rows = self.competition.models.order_by("model_id")
        return {
            pk: (model_id, is_eligible)
            for pk, model_id, is_eligible in rows.annotate(
                is_eligible=ELIGIBLE
            ).values_list("pk", "model_id", "is_eligible")
        }

    def _incomplete(self) -> list[EnsembleConfig]:
        """Return the ensembles that lack a round that an eligible model answered."""
        if not self._configs:
            return []
        is_eligible = [self._models[pk][1] for pk in self.scores.model_ids.tolist()]
        answered = (~np.isnan(self.scores.signals[:, is_eligible])).any(axis=1)
        keys = {model_id: pk for pk, (model_id, _) in self._models.items()}
        return [
            config
            for config in self._configs
            if (
                answered & ~self._has_prediction(keys.get(model_id_of(config.name), -1))
            ).any()
        ]

    def _has_prediction(self, model: int) -> NDArray[np.bool_]:
        """Mark the rounds in which a model has a prediction."""
        column = self.scores.model_ids == model
        return np.asarray(self.scores.asked[:, column].any(axis=1))

    def _blend(self, name: str, shares: Shares) -> Blend:
        members = [self._models[pk][0] for pk in self.scores.model_ids.tolist()]
        weights = np.array([shares.get(member, 0.0) for member in members])
        return Blend(name=name, shares=shares, weights=weights)

    def _stored_shares(self) -> dict[str, Shares]:
        """Return the weights of each ensemble's newest prediction in the period."""
        rounds = Round.objects.filter(competition=self.competition)
        newest = (
            Prediction.objects.filter(
                model__competition=self.competition,
                model__model_id__in=[model_id_of(each.name) for each in self._configs],
                round__in=rounds.resolved_in(self.period).values("pk"),
            )
            .order_by("model_id", "-pk")
            .distinct("model_id")
            .values_list("meta", flat=True)
        )
        return {meta["ensemble_name"]: meta["weights"] for meta in newest}

    def _shares_of(self, configs: Sequence[EnsembleConfig]) -> dict[str, Shares]:
        """Return the weights that follow from the period before, by ensemble."""
        new = [config for config in configs if config.name not in self._computed]
        if new:
            metrics, signals = self._period_before()
            for config in new:
                self._computed[config.name] = self._weighed(config, metrics, signals)
        computed = {config.name: self._computed[config.name] for config in configs}
        return {name: shares for name, shares in computed.items() if shares}

    def _period_before(self) -> tuple[MetricsByModel, SignalsByModel]:
        """Return metrics and signals of the period's eligible models before it."""
        present = set(self.scores.model_ids.tolist())
        eligible = {
            pk: model_id
            for pk, (model_id, is_eligible) in self._models.items()
            if pk in present and is_eligible
        }
        past = read_scores(
            competition=self.competition,
            wiring=self.wiring,
            period=self.period.before,
        )
        signals = {
            model_id: past.signals[:, past.model_ids == pk].ravel()
            for pk, model_id in eligible.items()
        }
        summaries = {
            model_id: {**summary, "value": value}
            for model_id, value, summary in Snapshot.objects.current()
            .filter(model__in=eligible, period_end=self.period.start)
            .values_list("model__model_id", "value", "result_summary")
        }
        return {each: summaries.get(each, {}) for each in eligible.values()}, signals

    def _weighed(
        self, config: EnsembleConfig, metrics: MetricsByModel, signals: SignalsByModel
    ) -> Shares | None:
        """Return an ensemble's rounded weights; None without members or on failure."""
        try:
            shares = self._exact_shares(config, metrics, signals)
        except CallableError:
            return None
        rounded = {m: round(w, _DIGITS) for m, w in shares.items()}
        return {m: w for m, w in rounded.items() if w > 0} or None

    def _exact_shares(
        self, config: EnsembleConfig, metrics: MetricsByModel, signals: SignalsByModel
    ) -> Shares:
        """Return weights that sum to 1; raises CallableError for operators' code."""
        strategy = config.strategy
        weigh = STRATEGIES[strategy] if isinstance(strategy, str) else strategy

        def weights() -> Any:
            members = members_of(config.model_filter, metrics)
            return weigh({m: metrics[m] for m in members}, signals) if members else {}

        def checked(raw: Any) -> Shares:
            if strangers := dict(raw).keys() - metrics.keys():
                raise ValueError(
                    f"it weighed {brief(sorted(strangers))}, who are no members"
                )
            floats = {model_id: float(weight) for model_id, weight in raw.items()}
            return normalised(floats) if floats else {}

        if not has_own_code(config):
            return checked(weights())
        answer = self.guarded.call(
            f"ensemble {config.name}",
            "contract:ensembles",
            weights,
            check=checked,
            key=self.period.start,
        )
        return cast("Shares", answer)

    def _virtual_models(self, names: Sequence[str]) -> dict[str, ParticipantModel]:
        """Return the ensembles' rows among the models, made on first use; by name."""
        ids = {model_id_of(name): name for name in names}
        rows = self.competition.models.filter(model_id__in=ids)
        found = {ids[model.model_id]: model for model in rows}
        if len(found) < len(ids):
            at = self.period.start
            ParticipantModel.objects.bulk_create(
                [
                    ParticipantModel(
                        competition=self.competition,
                        model_id=model_id,
                        name=f"Ensemble {name}",
                        is_virtual=True,
                        created_at=at,
                        updated_at=at,
                    )
                    for model_id, name in ids.items()
                    if name not in found
                ],
                ignore_conflicts=True,
            )
            vars(self).pop("_models", None)
            found = {ids[model.model_id]: model for model in rows.all()}
        return found
