"""Config -> who may see which documents, and which tables are not there for whom."""

from typing import TypeAlias

import sqlalchemy as sa

from kb.config.sections import Config
from stores.audiences import EVERYONE, Groups
from stores.errors import ConfigError
from stores.registry.access import AccessRule, AccessRules

HiddenColumns: TypeAlias = frozenset[tuple[str, str]]
"""Columns with their tables before them."""


def open_access_rules(engine: sa.Engine, config: Config) -> AccessRules | None:
    """Open the rules for documents; None without `access`, when everybody sees all."""
    if not config.access.is_set:
        return None
    default = (EVERYONE,) if config.access.default is None else config.access.default
    rules = (AccessRule(rule.path, rule.groups, rule.root) for rule in config.access.documents)
    return AccessRules.open(engine, default, rules)


def find_hidden_tables(config: Config, groups: Groups | None) -> frozenset[str]:
    """Find the tables that are not there for somebody in these groups; None sees everything."""
    if groups is None:
        return frozenset()
    rules = [rule for rule in config.access.tables if not rule.columns]
    shown = {rule.table for rule in rules if groups & {*rule.groups}}
    return frozenset(rule.table for rule in rules) - shown


def find_hidden_columns(config: Config, groups: Groups | None) -> HiddenColumns:
    """Find the columns that are not there for somebody in these groups; None sees everything."""
    if groups is None:
        return frozenset()
    named = [(rule.table, column, rule) for rule in config.access.tables for column in rule.columns]
    shown = {(table, column) for table, column, rule in named if groups & {*rule.groups}}
    return frozenset((table, column) for table, column, _ in named) - shown


def require_columns(config: Config, tables: sa.MetaData) -> None:
    """Raise ConfigError for a rule about a column that is named otherwise, which would be open."""
    for rule in config.access.tables:
        known = tables.tables[rule.table].columns.keys() if rule.table in tables.tables else ()
        if missing := [column for column in rule.columns if column not in known]:
            raise ConfigError(
                f"access.tables names the column {missing[0]!r} of {rule.table}, which has "
                f"{', '.join(known)}. Write it as it is written there."
            )
