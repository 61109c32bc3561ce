"""Ageing: by area, and less for an old house."""

from {{ package }}.tracker import TrackerBase


class Ageing(TrackerBase):
    def predict(self, features):
        kept = max(0.4, 1 - features["age_years"] / 260)
        return {"value": 3500.0 * features["area_m2"] * kept}
