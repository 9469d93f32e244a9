"""README's table of settings cannot rot."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_environment_variable_is_explained_in_the_readme():
    source = (ROOT / "houston" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))

    explained = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert sorted(read) == sorted(explained)
