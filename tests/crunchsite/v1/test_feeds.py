import pytest

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def test_feeds_are_chosen_by_their_dimensions(world, asked):
    feeds = [row["feed"] for row in asked("feeds")["results"]]
    assert feeds == ["simulated:BTCUSDT:candle:1m", "simulated:ETHUSDT:candle:1m"]
    (row,) = asked("feeds", subject="ETHUSDT")["results"]
    assert (row["subject"], row["record_count"]) == ("ETHUSDT", 3)


def test_records_of_one_instant_are_walked_by_feed(world, walked):
    rows = walked("feeds/records", limit=1, fields="subject,ts_event")
    assert [(row["subject"], row["ts_event"]) for row in rows] == [
        (subject, f"2026-03-02T11:{minute}:00Z")
        for minute in (58, 57, 56)
        for subject in ("BTCUSDT", "ETHUSDT")
    ]


@pytest.mark.parametrize("path", ["feeds", "feeds/records"])
def test_one_statement_reads_the_tape(path, client, world, tape_statements):
    for limit in (1, 1000):
        with tape_statements() as seen:
            client.get(f"/api/v1/{path}?limit={limit}")
        assert len([each for each in seen if "feed_" in each]) == 1
