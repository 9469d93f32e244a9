"""The tests, one folder per package; `factories` makes rows, `conftest` holds the fixtures."""
