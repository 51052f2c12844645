"""The values that a statement may be given."""

from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = str | int | float | Decimal | date | datetime | None
"""What a parameter of a statement can be bound to."""
