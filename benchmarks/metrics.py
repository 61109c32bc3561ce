"""All eleven metrics of many models against the same numbers by hand-written numpy."""

import argparse
from datetime import UTC, datetime
from typing import Any

from benchmarks.measure import compare

AT = datetime(2026, 1, 1, tzinfo=UTC)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1000)


def run(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from scoring.metrics import Ensemble, MetricsContext, default_registry

    rng = np.random.default_rng(7)
    actuals = rng.normal(size=args.rounds) * 0.001
    signals = rng.normal(size=(args.rounds, args.models)).round(3)
    scores = signals * actuals[:, None] * 10_000
    weights = np.full(args.models, 1 / args.models)
    blend = signals @ weights
    registry = default_registry()
    found: dict[str, Any] = {}

    def ours() -> None:
        context = MetricsContext(
            model_ids=tuple(str(i) for i in range(args.models)),
            signals=signals,
            scores=scores,
            actuals=actuals,
            scopes=np.zeros(args.rounds, dtype=int),
            window_start=AT,
            window_end=AT,
            ensembles=(Ensemble("all", blend, weights),),
        )
        found["ours"] = registry.compute(registry.available(), context)

    def limit() -> None:
        found["limit"] = least_work(signals, scores, actuals, blend, weights)

    result = compare(
        "metrics",
        ours=ours,
        limit=limit,
        reset=lambda: None,
        repeats=args.repeats,
        models=args.models,
        rounds=args.rounds,
    )
    result["largest_difference"] = max(
        float(np.nanmax(np.abs(found["ours"][name] - column)))
        for name, column in found["limit"].items()
    )
    return result


def least_work(
    signals: Any, scores: Any, actuals: Any, blend: Any, weights: Any
) -> dict[str, Any]:
    """The yardstick: gapless matrices, average ranks, correlations as products."""
    import numpy as np

    def ranks(values: Any) -> Any:
        order = values.argsort(axis=-1)
        ordered = np.take_along_axis(values, order, axis=-1)
        place = np.arange(values.shape[-1])
        new = np.ones(values.shape, dtype=bool)
        new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
        first = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
        end = np.ones(values.shape, dtype=bool)
        end[..., :-1] = new[..., 1:]
        last = np.where(end, place, len(place))[..., ::-1]
        last = np.minimum.accumulate(last, axis=-1)[..., ::-1]
        result = np.empty(values.shape)
        np.put_along_axis(result, order, (first + last) / 2, axis=-1)
        return result

    def unit(values: Any) -> Any:
        centred = values - values.mean(axis=-1, keepdims=True)
        return centred / np.sqrt((centred**2).sum(axis=-1, keepdims=True))

    x = np.ascontiguousarray(signals.T)
    rounds = len(actuals)
    size = max(2, rounds // max(3, rounds // 10))
    used = rounds // size * size
    truth, units, blended = unit(ranks(actuals)), unit(ranks(x)), unit(ranks(blend))
    chunks = unit(ranks(x[:, :used].reshape(len(x), -1, size)))
    ics = (chunks * unit(ranks(actuals[:used].reshape(-1, size)))).sum(axis=-1)
    running = scores.cumsum(axis=0)
    peak = np.maximum(np.maximum.accumulate(running, axis=0), 0)
    signs = np.sign(x)
    returns = signs * actuals
    losses = np.minimum(returns, 0)
    lost = np.maximum((losses < 0).sum(axis=1), 1)
    without = (blend - weights[:, None] * x) / (1 - weights[:, None])
    return {
        "ic": units @ truth,
        "ic_sharpe": ics.mean(axis=1) / ics.std(axis=1),
        "hit_rate": (signs == np.sign(actuals)).mean(axis=1),
        "mean_return": returns.mean(axis=1),
        "max_drawdown": (running - peak).min(axis=0),
        "sortino_ratio": returns.mean(axis=1) / np.sqrt((losses**2).sum(axis=1) / lost),
        "turnover": np.abs(np.diff(x)).mean(axis=1),
        "model_correlation": ((units @ units.T).sum(axis=1) - 1) / (len(x) - 1),
        "fnc": unit(ranks(x - x.mean(axis=0))) @ truth,
        "contribution": blended @ truth - unit(ranks(without)) @ truth,
        "ensemble_correlation": units @ blended,
    }
