"""Fit the two regressors: ridge on standardised inputs, gradient boosted trees.

Both are deterministic: one thread, fixed seeds, a fixed order of rows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from livepool.model.parameters import ModelConfig

Array = npt.NDArray[np.float64]


def impute(train: Array, score: Array) -> tuple[Array, Array]:
    """Replace unknown values by the training columns' medians (0 where all are)."""
    train = np.where(np.isfinite(train), train, np.nan)
    score = np.where(np.isfinite(score), score, np.nan)
    known = ~np.isnan(train).all(axis=0)
    medians = np.zeros(train.shape[1])
    medians[known] = np.nanmedian(train[:, known], axis=0)
    return np.where(np.isnan(train), medians, train), np.where(
        np.isnan(score), medians, score
    )


def ridge(x: Array, y: Array, score: Array, config: ModelConfig) -> Array:
    """Fit closed-form ridge on z-scores; the intercept is not penalised."""
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation < 10 * np.finfo(float).eps * np.abs(mean)] = 1.0
    deviation[deviation == 0] = 1.0
    z = (x - mean) / deviation
    gram = z.T @ z + config.ridge_alpha * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, z.T @ (y - y.mean()))
    return np.asarray((score - mean) / deviation @ weights + y.mean())


def trees(x: Array, y: Array, score: Array, config: ModelConfig) -> Array:
    """Fit a LightGBM regression, whose histograms make it independent of scale."""
    import lightgbm

    parameters: dict[str, Any] = {
        **config.lightgbm,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lightgbm.train(
        parameters,
        lightgbm.Dataset(x, label=y, params=parameters),
        num_boost_round=config.trees,
    )
    return np.asarray(booster.predict(score, num_threads=1), dtype=np.float64)
