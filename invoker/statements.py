"""SQL of the busiest paths, spelled once.

Django builds the SQL of every query anew, which takes several times as long as the database takes
to run it. What each event asks and writes goes through here instead: the columns are still those
of the models, their values are converted by Django's fields, and the statements are the same on
SQLite and PostgreSQL. Everything else asks the models' managers.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from psycopg.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from psycopg.pq import TransactionStatus

from invoker.fields import JsonTextField

Row = TypeVar("Row", bound=models.Model)
Converter = Callable[[Any], Any]

OUTDATED = (FeatureNotSupported, InvalidSqlStatementName, DuplicatePreparedStatement)
"""What is not prepared, or not any more as the client thinks; the first is the server's word for
a plan whose result has changed."""
_MOST_VALUES = 10_000
"""Of one statement; SQLite takes 32,766. Source: `SQLITE_MAX_VARIABLE_NUMBER`."""


def select(model: type[Row], rest: str, params: Sequence[Any] = ()) -> list[Row]:
    """Rows of a model; `rest` is what follows FROM and the table, with the names of columns.

    Values in `params` are as the database has them: see `value`.
    """
    return [row for row, *_ in select_with([model], rest, params)]


def select_with(
    joined: Sequence[type[models.Model]], rest: str, params: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Rows of several models at once; None for one of which an outer join found nothing.

    `rest` follows the first one's table and names the others' tables itself.
    """
    names, readers = _selected(tuple(joined))
    table = joined[0]._meta.db_table
    with _cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {table} {rest}", params)  # noqa: S608  # nosec B608 -- our own names
        found = cursor.fetchall()
    return [tuple(read(row) for read in readers) for row in found]


def values(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """What a statement returns, as the database has it."""
    with _cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def marks(given: Collection[object]) -> str:
    """Placeholders for a list."""
    return ", ".join(["%s"] * len(given))


def change(sql: str, params: Sequence[Any] = ()) -> int:
    """Run a statement that changes rows; how many there were."""
    with _cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def insert(model: type[Row], rows: Sequence[Row], rest: str = "") -> list[tuple[Any, ...]]:
    """Insert rows with every column but a key that the database counts up.

    Returns what `rest`, such as a RETURNING clause, asks for.
    """
    if not rows:
        return []
    fields, start, one = _inserted(model)
    returned: list[tuple[Any, ...]] = []
    at_once = max(1, _MOST_VALUES // len(fields))
    with _cursor() as cursor:
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            params = [
                prepare(field.pre_save(row, add=True)) for row in some for field, prepare in fields
            ]
            cursor.execute(f"{start} {', '.join([one] * len(some))} {rest}", params)
            if cursor.description:
                returned += cursor.fetchall()
    for row in rows:
        row._state.adding = False
    return returned


def update(model: type[models.Model], changed: Mapping[str, Any], where: Mapping[str, Any]) -> int:
    """Set columns of the rows that match, both by the names of attributes; how many there were.

    In `where` None matches rows that have nothing there.
    """
    empty = tuple(name for name, wanted in where.items() if wanted is None)
    sql, preparers = _updated(model, tuple(changed), tuple(where), empty)
    given = [*changed.values(), *(wanted for wanted in where.values() if wanted is not None)]
    params = [prepare(wanted) for prepare, wanted in zip(preparers, given, strict=True)]
    with _cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def attach(row: models.Model, name: str, other: models.Model | None) -> None:
    """Say which row leads to this one by a one-to-one field; None: there is none."""
    row._meta.get_field(name).set_cached_value(row, other)  # type: ignore[union-attr]


def value(model: type[models.Model], name: str, wanted: object) -> Any:
    """A value of a column as the database has it, to be a parameter."""
    return _preparers(model)[name](wanted)


def _cursor() -> Any:
    # Django's proxy would look this thread's connection up for each attribute.
    database = connections[DEFAULT_DB_ALIAS]
    cursor = database.cursor()
    if database.vendor == "postgresql":
        # Django's puts values into the SQL, so that each statement is parsed and planned anew.
        # With this one the server has done it once: see `prepare_threshold` in the settings.
        cursor.cursor = _Prepared(database.connection)
    return cursor


class _Prepared(psycopg.Cursor[Any]):
    """Outlives a column that is given another type while its statements are prepared.

    The server refuses those then, and would until the connection ends.
    """

    def execute(self, query: Any, params: Any = None, **options: Any) -> "_Prepared":
        try:
            return super().execute(query, params, **options)
        except OUTDATED as error:
            if self.connection.info.transaction_status == TransactionStatus.IDLE:
                # psycopg forgets them too: see its `PrepareManager.validate`.
                self.connection.execute("DEALLOCATE ALL")
                return super().execute(query, params, **options)
            # What the transaction did is lost, and whoever comes back gets another connection.
            self.connection.close()
            message = "The tables were changed in the middle of a transaction"
            raise psycopg.OperationalError(message) from error


@cache
def _preparers(model: type[models.Model]) -> dict[str, Converter]:
    return {name: _preparer(field) for name, field in _fields(model).items()}


def _preparer(field: Any) -> Converter:
    """What makes a value of a field a parameter.

    The field itself does it for any value, with checks that cost more than what most values need.
    """
    target = field
    while target.remote_field:
        target = target.target_field
    if isinstance(target, models.DateTimeField):
        return _preparer_of(field, dt.datetime, connection.ops.adapt_datetimefield_value)
    if isinstance(target, models.UUIDField):
        native = connection.features.has_native_uuid_field
        return _preparer_of(field, uuid.UUID, None if native else lambda given: given.hex)
    if isinstance(target, JsonTextField):
        return _preparer_of(field, object, target.get_prep_value)
    if isinstance(target, models.IntegerField) and connection.vendor != "sqlite":
        # Those have several widths.
        return _preparer_of(field, type(None), None)
    return _preparer_of(field, _PLAIN.get(type(target).get_prep_value, type(None)), None)


def _preparer_of(field: Any, kind: type, convert: Converter | None) -> Converter:
    """By `convert` where the value is exactly of that kind; None: it needs nothing."""

    def prepare(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is kind or kind is object:
            return convert(given) if convert else given
        return field.get_db_prep_save(given, connection)

    return prepare


# By who says what is written: a field that does it itself means something by it.
_PLAIN = {
    models.BooleanField.get_prep_value: bool,
    models.IntegerField.get_prep_value: int,
    models.CharField.get_prep_value: str,
    models.TextField.get_prep_value: str,
}


@cache
def _fields(model: type[models.Model]) -> dict[str, Any]:
    return {field.attname: field for field in model._meta.concrete_fields}


@cache
def _selected(
    joined: tuple[type[models.Model], ...],
) -> tuple[str, list[Callable[[Sequence[Any]], Any]]]:
    names: list[str] = []
    readers = []
    for model in joined:
        fields = model._meta.concrete_fields
        readers.append(_reader(model, len(names)))
        names += [f'{model._meta.db_table}."{field.column}"' for field in fields]
    return ", ".join(names), readers


def _reader(model: type[models.Model], start: int) -> Callable[[Sequence[Any]], Any]:
    fields = model._meta.concrete_fields
    attributes = [field.attname for field in fields]
    end = start + len(fields)
    key = start + next(n for n, field in enumerate(fields) if field.primary_key)
    converted = [
        (number, converters)
        for number, field in enumerate(fields)
        if (converters := _converters(field))
    ]

    def read(row: Sequence[Any]) -> Any:
        if row[key] is None:
            return None
        found = list(row[start:end])
        for number, converters in converted:
            for convert in converters:
                found[number] = convert(found[number])
        return model.from_db(DEFAULT_DB_ALIAS, attributes, found)

    return read


def _converters(field: Any) -> list[Converter]:
    """As Django's compiler finds them for a column."""
    column = field.get_col(field.model._meta.db_table)
    found = connection.ops.get_db_converters(column) + column.get_db_converters(connection)

    def bind(convert: Any) -> Converter:
        return lambda given: convert(given, column, connection)

    return [bind(convert) for convert in found]


@cache
def _inserted(model: type[models.Model]) -> tuple[list[Any], str, str]:
    preparers = _preparers(model)
    fields = [
        (field, preparers[field.attname])
        for field in model._meta.concrete_fields
        if not isinstance(field, models.AutoField)
    ]
    names = ", ".join(f'"{field.column}"' for field, _ in fields)
    start = f"INSERT INTO {model._meta.db_table} ({names}) VALUES"
    return fields, start, f"({marks(fields)})"


@cache
def _updated(
    model: type[models.Model],
    changed: tuple[str, ...],
    where: tuple[str, ...],
    empty: tuple[str, ...],
) -> tuple[str, list[Converter]]:
    fields = _fields(model)
    sets = ", ".join(f'"{fields[name].column}" = %s' for name in changed)
    matches = " AND ".join(
        f'"{fields[name].column}" {"IS NULL" if name in empty else "= %s"}' for name in where
    )
    asked = [*changed, *(name for name in where if name not in empty)]
    sql = f"UPDATE {model._meta.db_table} SET {sets} WHERE {matches}"  # noqa: S608  # nosec B608 -- our own names
    preparers = _preparers(model)
    return sql, [preparers[name] for name in asked]
