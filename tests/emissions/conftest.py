from tests.scoring.conftest import rewire as rewire  # noqa: PLC0414  a fixture
