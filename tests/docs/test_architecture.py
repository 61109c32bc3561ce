"""The walk through the house follows files that are there."""

import re

from crunchsite.settings.env import BASE_DIR

PAGE = BASE_DIR / "docs" / "architecture.md"


def test_each_file_of_the_walk_is_there():
    walk = PAGE.read_text().partition("| Step | Files |")[2].partition("\n\n")[0]
    folder, lacking = BASE_DIR, []
    paths = re.findall(r"`([a-z_/]+(?:\.py|/))`", walk)
    for path in paths:
        if "/" in path:
            folder = (BASE_DIR / path).parent
        place = BASE_DIR / path if "/" in path else folder / path
        lacking += [] if place.exists() else [path]
    assert len(paths) > 30
    assert lacking == []
