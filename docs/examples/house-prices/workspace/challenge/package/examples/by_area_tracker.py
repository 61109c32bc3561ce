"""By area: so much for each square metre."""

from {{ package }}.tracker import TrackerBase


class ByArea(TrackerBase):
    def predict(self, features):
        return {"value": 3000.0 * features["area_m2"]}
