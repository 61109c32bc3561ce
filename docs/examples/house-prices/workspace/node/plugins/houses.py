"""The houses of a file, and the one that is asked about at an instant."""

import csv
from pathlib import Path

with Path(__file__).with_name("houses.csv").open(newline="") as file:
    HOUSES = list(csv.DictReader(file))
PRICES = {house["house"]: float(house["truth.price"]) for house in HOUSES}


def house_at(now):
    return HOUSES[int(now.timestamp()) // 60 % len(HOUSES)]
