"""A list of texts as one parameter, so that a statement is the same however many there are.

SQLAlchemy's own ``IN`` is put together anew for each number of elements, and PostgreSQL would plan each of them anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, Boolean, ColumnElement, Dialect, Text, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class _Texts(TypeDecorator[Collection[str]]):
    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(Text))

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> str | list[str]:
        texts = list(value or ())
        return json.dumps(texts) if dialect.name == "sqlite" else texts


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


def among(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """The condition that a column holds one of the texts that are given as ``name`` when the statement is executed."""
    return _Among(column, bindparam(name, type_=_Texts()))


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = element.clauses
    return compiler.process(column.in_(select(func.json_each(texts).table_valued("value").c.value)), **options)


@compiles(_Among, "postgresql")
def _any_of_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = element.clauses
    return compiler.process(column == func.any(texts), **options)
