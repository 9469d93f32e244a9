"""Names from before they were one in any case."""

import pytest
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from houston.models import User

BEFORE = [("houston", "0002_invitation")]


def forward():
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("houston"))


@pytest.mark.django_db(transaction=True)
def test_upgrade_names_those_who_have_to_be_renamed():
    MigrationExecutor(connection).migrate(BEFORE)
    try:
        for name in ("Dana", "dana", "ada"):
            User.objects.create(username=name)

        with pytest.raises(CommandError, match=r"one person now: dana\. Rename"):
            forward()
    finally:
        # As it was then: what people have by now has no table yet.
        then = MigrationExecutor(connection).loader.project_state(BEFORE).apps
        then.get_model("houston", "User").objects.filter(username="Dana").delete()
        forward()

    assert set(User.objects.values_list("username", flat=True)) == {"dana", "ada"}
