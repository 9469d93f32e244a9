"""Old code works on the new schema, so that an upgrade needs no standstill.

While hosts are upgraded one after the other, those with the old version read and write tables of
the new one. So a migration may add, and not take away: a column that the old version does not know
needs a default in the database, as its INSERT leaves it out.
"""

from collections.abc import Iterator

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

# The last migrations of before the rule; what they did is done wherever Houston runs.
BEFORE = {"functions": 6, "houston": 5, "invoker": 26}
TAKES_AWAY = (
    migrations.DeleteModel,
    migrations.RemoveField,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)
# What was looked at and is no harm, with the reason.
ALLOWED: dict[str, str] = {}


def number(name: str) -> int:
    return int(name.partition("_")[0])


def new_operations() -> Iterator[tuple[str, Operation, models.Field | None]]:
    """What each does in words, itself, and the field that it changes as it was before."""
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in BEFORE and number(name) > BEFORE[app]:
            was = loader.project_state((app, name), at_end=False)
            for operation in flat(migration.operations):
                field = None
                if isinstance(operation, migrations.AlterField):
                    model = was.models[app, operation.model_name_lower]
                    field = model.fields.get(operation.name)
                yield f"{app}.{name}: {operation.describe()}", operation, field


def flat(operations: list[Operation]) -> Iterator[Operation]:
    for each in operations:
        if isinstance(each, migrations.SeparateDatabaseAndState):
            yield from flat(each.database_operations)
        else:
            yield each


def harm(operation: Operation, was: models.Field | None = None) -> str:
    """Why code that does not know of it would fail; empty where it would not."""
    if isinstance(operation, TAKES_AWAY):
        return "the old version still asks for what is gone"
    if isinstance(operation, migrations.AddField):
        field = operation.field
        if not (field.null or field.many_to_many or field.has_db_default()):
            return "the old version's INSERT leaves it out, give it a db_default"
    if isinstance(operation, migrations.AlterField) and was is not None:
        field = operation.field
        if was.null and not field.null:
            return "the old version still writes NULL"
        if (was.max_length or 0) > (field.max_length or was.max_length or 0):
            return "the old version still writes longer values"
    return ""


def test_migrations_add_and_take_nothing_away() -> None:
    found = {name: harm(each, was) for name, each, was in new_operations()}

    assert {name: why for name, why in found.items() if why and name not in ALLOWED} == {}


TEXT = models.CharField(max_length=20, null=True)


@pytest.mark.parametrize(
    ("changed", "harmful"),
    [
        (models.CharField(max_length=20), True),
        (models.CharField(max_length=10, null=True), True),
        (models.CharField(max_length=30, null=True), False),
    ],
)
def test_rule_tells_what_narrows_a_field(changed: models.Field, harmful: bool) -> None:
    assert bool(harm(migrations.AlterField("event", "more", changed), TEXT)) == harmful


@pytest.mark.parametrize(
    ("operation", "harmful"),
    [
        (migrations.RemoveField("event", "payload"), True),
        (migrations.RenameField("event", "payload", "data"), True),
        (migrations.DeleteModel("Event"), True),
        (migrations.AddField("event", "more", models.TextField(default="")), True),
        (migrations.AddField("event", "more", models.TextField(db_default="")), False),
        (migrations.AddField("event", "more", models.TextField(null=True)), False),
        (migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]), False),
    ],
)
def test_rule_tells_what_is_harmful(operation: Operation, harmful: bool) -> None:
    assert bool(harm(operation)) == harmful
