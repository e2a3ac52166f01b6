"""The order in which transactions lock rows, so that no two of them wait for each other.

A transaction that changes rows of several of these tables uses the order generations, monthly_usage, requests; one
that changes several rows of a table does so by their keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, select, update


def lock_rows(connection: Connection, table: Table, condition: ColumnElement[bool]) -> Sequence[RowMapping]:
    """Locks rows in the order of their keys until the transaction's end; gives them as they stand.

    SQLite's write transaction has locked everything before.
    """
    key = next(iter(table.primary_key.columns))
    statement = select(table).where(condition)
    if connection.dialect.name != "sqlite":
        # There the order has no use, and SQLite would read the whole table in it.
        statement = statement.order_by(key).with_for_update()
    return connection.execute(statement).mappings().all()


def change_rows(
    connection: Connection, table: Table, condition: ColumnElement[bool], values: Mapping[str, object]
) -> Sequence[RowMapping]:
    """Changes rows, locked in the order of their keys; gives them as they stood before."""
    key = next(iter(table.primary_key.columns))
    rows = lock_rows(connection, table, condition)
    if rows:
        connection.execute(update(table).where(key.in_([row[key] for row in rows])).values(values))
    return rows
