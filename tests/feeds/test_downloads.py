import pytest

from feeds.tape import parquet
from tests.feeds.factories import candle

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def test_files_are_listed_and_downloaded(client, store):
    (entry,) = client.get("/data/backfill/index").json()
    assert entry["path"] == store.removeprefix("/data/backfill/")
    assert (entry["records"], entry["date"]) == (99, "2026-03-02")
    answer = client.get(store)
    body = b"".join(answer.streaming_content)
    assert len(body) == entry["size_bytes"]
    assert body[:4] == body[-4:] == b"PAR1"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Accept-Ranges"] == "bytes"


def test_a_file_that_has_not_changed_is_not_sent_again(client, store):
    first = client.get(store)
    etag = first["ETag"]
    list(first.streaming_content)
    assert client.get(store, headers={"If-None-Match": etag}).status_code == 304
    parquet.write([candle(-200)])
    changed = client.get(store, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    list(changed.streaming_content)


def test_a_part_of_a_file_is_sent(client, store):
    whole = b"".join(client.get(store).streaming_content)

    def part(wanted, **headers):
        answer = client.get(store, headers={"Range": wanted, **headers})
        body = b"".join(answer.streaming_content) if answer.streaming else b""
        return answer.status_code, answer.get("Content-Range"), body

    size = len(whole)
    assert part("bytes=0-3") == (206, f"bytes 0-3/{size}", whole[:4])
    assert part("bytes=100-") == (206, f"bytes 100-{size - 1}/{size}", whole[100:])
    assert part("bytes=-8") == (206, f"bytes {size - 8}-{size - 1}/{size}", whole[-8:])
    assert part(f"bytes=0-{10**18 - 1}")[0] == 206
    assert part(f"bytes=0-{'9' * 5000}") == (200, None, whole)
    assert part(f"bytes={size}-") == (416, f"bytes */{size}", b"")
    assert part("bytes=0-1,4-5") == (200, None, whole)
    assert part("bytes=0-3", **{"If-Range": '"other"'}) == (200, None, whole)


@pytest.mark.parametrize(
    "name",
    [
        "simulated/BTCUSDT/candle/1m/candles.parquet",
        "simulated/BTCUSDT/candle/1m/2026-13-01.parquet",
        "simulated/BTCUSDT/candle/1m/20260302.parquet",
        "simulated/BTCUSDT/candle/1m/2026-03-03.parquet",  # a folder
        "simulated/B T/candle/1m/2026-03-02.parquet",
        "simulated/\udcff/candle/1m/2026-03-02.parquet",
    ],
)
def test_a_foreign_file_is_passed_over(store, client, tmp_path, name):
    path = tmp_path / "backfill" / name
    if name.endswith("03-03.parquet"):
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        ours = tmp_path / "backfill/simulated/BTCUSDT/candle/1m/2026-03-02.parquet"
        path.write_bytes(ours.read_bytes())
    assert [entry["path"] for entry in client.get("/data/backfill/index").json()] == [
        "simulated/BTCUSDT/candle/1m/2026-03-02.parquet"
    ]
