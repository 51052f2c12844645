"""Config -> who may see which documents, and which tables are not there for whom."""

import sqlalchemy as sa

from kb.config.sections import Config
from stores.audiences import EVERYONE, Groups
from stores.registry.access import AccessRule, AccessRules


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
    rules = config.access.tables
    shown = {rule.table for rule in rules if groups & {*rule.groups}}
    return frozenset(rule.table for rule in rules) - shown
