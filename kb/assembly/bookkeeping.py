"""What is kept of answers and of what their models took, and whether a budget allows more."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import sqlalchemy as sa

from engines.answer import Answer
from engines.ended_question import EndedQuestion, OnBegin, OnEnd
from engines.model_calls import ModelCalls
from kb.assembly.auditing import Audit, name_error
from kb.assembly.way_in import Way, way_in
from kb.config.costs import BudgetConfig
from kb.config.sections import Config
from kb.prices import find_cost, load_prices
from stores.answers.answer_log import (
    NO_ROUTE,
    AnswerLog,
    LoggedAnswer,
    LoggedCalls,
    Outcome,
    Purpose,
    find_month,
)
from stores.answers.model_use import ModelUse
from stores.api_keys import ApiKeys
from stores.audit_log import Action
from stores.errors import BudgetSpent, ConfigError, ModelUnavailable
from stores.log_writer import LogWriter

_KNOWN_SECONDS: Final = 2.0  # for which a sum counts; each answer would add it up again
_log = logging.getLogger(__name__)

OnLogged = Callable[[LoggedCalls], None]


class Bookkeeping:
    """Logs answers and what models took, behind the answers, and keeps to the budgets.

    `on_logged` are told of each entry, in the thread that writes.
    """

    def __init__(self, engine: sa.Engine, config: Config) -> None:
        self.log = AnswerLog(engine)
        self.audit = Audit(engine, config)
        self.prices = load_prices(config.cost.prices)
        self.on_logged: list[OnLogged] = []
        self.writer = LogWriter(self._log_all, "Answers", "kb_answer_log", gathering=0.5)
        self._extent = config.retrieval.log
        self._budget, self._keys = config.cost.budget or BudgetConfig(), ApiKeys(engine)
        if config.cost.budget and not self.prices:
            raise ConfigError("cost.budget needs prices: name a file of them in cost.prices.")
        self._spent = _Spent(self.log)

    def make_logger(
        self, session_id: str | None, user: str | None, action: Action = "ask"
    ) -> OnBegin:
        """Make what logs the questions of a session and a user, as of the way that asks now."""
        way: Way = way_in.get()

        def begin(question: str) -> OnEnd:
            audited = self.audit.begin(action, question, user, session_id, way)

            def log_answer(ended: EndedQuestion) -> None:
                at = _now()
                audited.end(ended.calls, ended.error)
                self.writer.add(lambda: self._describe(ended, at, way, session_id, user))
                if ended.turn_id is not None:  # who deletes the session now deletes this with it
                    self.writer.flush()

            return log_answer

        return begin

    @contextmanager
    def observe(self, purpose: Purpose, user: str | None = None) -> Iterator[ModelCalls]:
        """Note what models take for what is done within, which is no answer, also if it fails."""
        calls = ModelCalls()
        try:
            with calls.listen():
                yield calls
        finally:
            at = _now()
            self.writer.add(lambda: self._price(purpose, calls, user, at))

    @contextmanager
    def observe_embedding(
        self, model: str, purpose: Purpose, user: str | None = None
    ) -> Iterator[None]:
        """Note what embedding texts takes. Raises BudgetSpent before anything is paid for."""
        price = self.prices.models.get(model) if self.prices else None
        if price and price.input:
            self.require_budget(user)
        with self.observe(purpose, user):
            yield

    def require_budget(self, user: str | None = None) -> None:
        """Require that the month's budgets, of all and of a key, are not spent.

        Raises BudgetSpent, or ModelUnavailable where an answer without a model is to do.
        """
        if not self.prices:
            return
        for most, whose in ((self._budget.month, None), (self._find_budget(user), user)):
            if most is not None:
                self._require_below(Decimal(str(most)), whose, self.prices.currency)

    def _find_budget(self, user: str | None) -> float | Decimal | None:
        """Find the budget of a key: its own, or else that of the configuration."""
        if user is None:
            return None
        own = self._spent.find_own(user, self._keys.find_budget)
        return self._budget.find_for_key(user) if own is None else own

    def _require_below(self, most: Decimal, user: str | None, currency: str) -> None:
        spent = self._spent.add_up(currency, user)
        whose = f"of the key {user}" if user else "of this knowledge base"
        figures = f"{spent:.2f} of {most.normalize():f} {currency}"
        if spent >= most:
            reason = f"The budget {whose} for this month is spent: {figures}."
            if self._budget.when_spent == "quote":
                raise ModelUnavailable(reason)
            raise BudgetSpent(f"{reason} It begins anew on the first of the next month.")
        if spent >= most * Decimal(str(self._budget.warn_at)):
            self._spent.warn_once(user, f"The budget {whose} is nearly spent: {figures}.")

    def _log_all(self, entries: Sequence[Callable[[], LoggedCalls]]) -> None:
        made = [make() for make in entries]
        self.log.add(made)
        for entry in made:
            for tell in self.on_logged:
                tell(entry)

    def price_uses(self, calls: ModelCalls) -> list[ModelUse]:
        """List what calls took, with what it cost where that is known."""
        return [replace(use, cost=find_cost(use, self.prices)) for use in calls.list_uses()]

    def _price(
        self,
        purpose: Purpose,
        calls: ModelCalls,
        user: str | None,
        at: datetime,
        answer: LoggedAnswer | None = None,
    ) -> LoggedCalls:
        uses = self.price_uses(calls)
        currency = self.prices.currency if self.prices else ""
        return LoggedCalls(purpose, uses, user, currency, answer, at)

    def _describe(
        self,
        ended: EndedQuestion,
        at: datetime,
        way: Way,
        session_id: str | None,
        user: str | None,
    ) -> LoggedCalls:
        answer = ended.answer
        outcome, error = judge_outcome(ended)
        logged = LoggedAnswer(
            way=way,
            outcome=outcome,
            milliseconds=ended.milliseconds,
            route=answer.route or NO_ROUTE,
            user=user,
            session_id=session_id,
            turn_id=ended.turn_id,
            search_id=answer.search["id"] if answer.search else None,
            error=error,
            question=ended.question if self._extent == "full" else None,
            steps=answer.timings.steps,
            best_score=max((cited.score for cited in answer.citations), default=None),
            model=answer.model,
        )
        kept = None if self._extent == "off" else logged
        return self._price("answer", ended.calls, user, at, kept)


def judge_outcome(ended: EndedQuestion) -> tuple[Outcome, str | None]:
    """Say whether a question was answered, and the code of what failed."""
    answer, error = ended.answer, ended.error
    if error is not None:
        return "failed", name_error(error)
    code = next(iter(answer.errors), None)
    if answer.route and answer.route in answer.errors:
        return "failed", f"{code}_failed"
    return ("answered" if _has_evidence(answer) else "unanswered"), code and f"{code}_failed"


def _has_evidence(answer: Answer) -> bool:
    """Whether an answer rests on something; small talk needs nothing."""
    return answer.route is None or bool(answer.citations or answer.tables.columns)


@dataclass
class _Spent:
    """What was spent this month, added up once for all that ask meanwhile."""

    log: AnswerLog
    _known: dict[str | None, tuple[float, Decimal]] = field(default_factory=dict)
    _own: dict[str, tuple[float, Decimal | None]] = field(default_factory=dict)
    _warned: dict[str | None, date] = field(default_factory=dict)

    def add_up(self, currency: str, user: str | None) -> Decimal:
        until, spent = self._known.get(user, (0.0, Decimal()))
        if time.monotonic() >= until:
            spent = self.log.add_up_spent(find_month(), currency, user)
            self._known[user] = (time.monotonic() + _KNOWN_SECONDS, spent)
        return spent

    def find_own(self, user: str, find: Callable[[str], Decimal | None]) -> Decimal | None:
        """Find the budget of a key of its own, as it was not long ago."""
        until, own = self._own.get(user, (0.0, None))
        if time.monotonic() >= until:
            own = find(user)
            self._own[user] = (time.monotonic() + _KNOWN_SECONDS, own)
        return own

    def warn_once(self, user: str | None, message: str) -> None:
        """Warn once a month of each budget."""
        if self._warned.get(user) != find_month():
            self._warned[user] = find_month()
            _log.warning("%s", message)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
