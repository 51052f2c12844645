"""The sample shop's database: `python tests/sample_shop.py` writes data/shop.sql.

The same seed gives the same bytes on every Python: only Random.random() is used, whose sequence
for a seed is promised never to change.
"""

import re
import tomllib
import unicodedata
from bisect import bisect
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

HERE = Path(__file__).parent
SHOP_SQL = HERE.parent / "data" / "shop.sql"
SCHEMA = (HERE / "sample_shop_schema.sql").read_text(encoding="utf-8")
WORDS = tomllib.loads((HERE / "sample_shop_words.toml").read_text(encoding="utf-8"))

SEED, CUSTOMERS, ORDERS, REVIEWS = 20260630, 400, 2500, 900
FIRST_ORDERS, TODAY = date(2023, 1, 2), date(2026, 6, 30)
FIRST_CUSTOMERS = date(2021, 1, 4)
SEASON = (9, 8, 9, 9, 9, 9, 7, 7, 10, 11, 18, 16)  # January to December
GROWTH = {2023: 6, 2024: 8, 2025: 10, 2026: 12}
BUYS = {"consumer": 2, "business": 5, "reseller": 9}
PIECES = {"consumer": 1, "business": 4, "reseller": 12}
SHIPPING = {"standard": ("4.90", 2, 5), "express": ("12.90", 1, 1), "pickup": ("3.50", 2, 4)}
FREE_FROM_60 = date(2026, 4, 1)  # delivery was free from 49 EUR before
FLOOD = (date(2026, 5, 11), date(2026, 5, 13))  # nothing left the warehouse in France
FROM_DAVENTRY = ("GB", "IE")  # served by the other warehouse
BAD_SPELLS = {  # days and mean rating: recalled kettles, and a robot before its new firmware
    "SKU-10420": (date(2025, 9, 15), date(2025, 12, 31), 2.0),
    "SKU-21240": (date(2024, 10, 15), date(2026, 2, 16), 3.1),
}

T = TypeVar("T")
Cell = str | int | Decimal | date | None


class Customer(NamedTuple):
    customer_id: int
    name: str
    email: str
    segment: str
    country: str
    city: str
    language: str
    cercle_member: bool
    signed_up_on: date


class Product(NamedTuple):
    product_id: int
    sku: str
    name: str
    category: str
    price: Decimal
    cost: Decimal
    stock: int
    launched_on: date
    discontinued_on: date | None
    popularity: int
    mean_rating: float


class Order(NamedTuple):
    order_id: int
    customer: Customer
    ordered_at: datetime
    status: str
    channel: str
    shipping_method: str
    shipping_fee: Decimal
    total: Decimal
    shipped_on: date | None
    delivered_on: date | None
    items: dict[Product, int]  # pieces


def between(random: Random, low: int, high: int) -> int:
    """A whole number, both ends included."""
    return low + int(random.random() * (high - low + 1))


def pick(random: Random, items: Sequence[T], weights: Sequence[int] = ()) -> T:
    totals = list(accumulate(weights or [1] * len(items)))
    return items[bisect(totals, random.random() * totals[-1])]


def slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z]+", ".", plain).strip(".")


def make_products(random: Random) -> list[Product]:
    products = []
    for number, row in enumerate(WORDS["products"], start=1):
        sku, name, category, price, cost, launched, ended, popularity, rating = row
        stock = 0 if ended else between(random, 20, 90 * popularity)
        money = Decimal(price), Decimal(cost)
        days = launched, ended or None
        products.append(
            Product(number, sku, name, category, *money, stock, *days, popularity, rating)
        )
    return products


def make_name(random: Random, segment: str, language: str, city: str) -> str:
    if segment != "consumer":
        return f"{pick(random, WORDS['companies'][segment][language])} {city}"
    first = pick(random, WORDS["first_names"][language])
    return f"{first} {pick(random, WORDS['last_names'][language])}"


def make_customers(random: Random) -> list[Customer]:
    span = (TODAY - FIRST_CUSTOMERS).days - 5
    days = sorted(FIRST_CUSTOMERS + timedelta(between(random, 0, span)) for _ in range(CUSTOMERS))
    customers: list[Customer] = []
    names: set[str] = set()
    while len(customers) < CUSTOMERS:
        shares = [share for _, share, _, _ in WORDS["countries"]]
        country, _, language, cities = pick(random, WORDS["countries"], shares)
        segment, city = pick(random, [*BUYS], (86, 10, 4)), pick(random, cities)
        name = make_name(random, segment, language, city)
        if name in names:
            continue
        names.add(name)
        member = segment == "consumer" and random.random() < 0.3
        number, day = 1001 + len(customers), days[len(customers)]
        email = f"{slug(name)}@example.com"
        customers.append(
            Customer(number, name, email, segment, country, city, language, member, day)
        )
    return customers


def make_moments(random: Random) -> list[datetime]:
    """When the orders came in: more each year, most of all before Christmas."""
    days = [FIRST_ORDERS + timedelta(offset) for offset in range((TODAY - FIRST_ORDERS).days + 1)]
    weights = [GROWTH[day.year] * SEASON[day.month - 1] for day in days]
    totals = list(accumulate(weights))
    return sorted(
        datetime.combine(days[bisect(totals, random.random() * totals[-1])], datetime.min.time())
        + timedelta(minutes=between(random, 360, 1319), seconds=between(random, 0, 59))
        for _ in range(ORDERS)
    )


def make_basket(
    random: Random, segment: str, day: date, products: list[Product]
) -> dict[Product, int]:
    on_sale = [
        item for item in products if item.launched_on <= day <= (item.discontinued_on or TODAY)
    ]
    basket: dict[Product, int] = {}
    for _ in range(pick(random, (1, 2, 3, 4, 5), (25, 30, 25, 13, 7))):
        product = pick(random, on_sale, [item.popularity for item in on_sale])
        most = PIECES[segment] * (2 if product.category == "supplies" else 1)
        basket[product] = between(random, 1, most)
    return basket


def shipping_fee(method: str, value: Decimal, customer: Customer, day: date) -> Decimal:
    free_from = 30 if customer.cercle_member else 60 if day >= FREE_FROM_60 else 49
    free = method != "express" and value >= free_from
    return Decimal("0.00" if free else SHIPPING[method][0])


def dispatch(day: date, country: str) -> date:
    flooded = country not in FROM_DAVENTRY and FLOOD[0] <= day <= FLOOD[1]
    return FLOOD[1] + timedelta(1) if flooded else day


def not_sunday(day: date) -> date:
    return day + timedelta(day.weekday() == 6)


def progress(
    random: Random, day: date, method: str, country: str
) -> tuple[str, date | None, date | None]:
    """Status, day of shipping and day of delivery of an order, as they stand today."""
    _, fewest, most = SHIPPING[method]
    shipped = dispatch(not_sunday(day + timedelta(between(random, 0, 1))), country)
    delivered = not_sunday(shipped + timedelta(between(random, fewest, most)))
    luck = random.random()
    if luck < 0.04:
        return "cancelled", None, None
    if shipped >= TODAY:
        return "pending" if luck < 0.3 else "paid", None, None
    if delivered > TODAY:
        return "shipped", shipped, None
    settled = delivered < TODAY - timedelta(14)
    return "returned" if luck > 0.945 and settled else "delivered", shipped, delivered


def make_order(
    random: Random, number: int, moment: datetime, customer: Customer, products: list[Product]
) -> Order:
    day, method = moment.date(), pick(random, [*SHIPPING], (64, 14, 22))
    channel = pick(random, ("web", "app", "phone"), (66, 28, 6))
    items = make_basket(random, customer.segment, day, products)
    value = sum((product.price * pieces for product, pieces in items.items()), Decimal())
    fee = shipping_fee(method, value, customer, day)
    status, shipped, delivered = progress(random, day, method, customer.country)
    handling = status, channel, method, fee, value + fee, shipped, delivered
    return Order(number, customer, moment, *handling, items)


def make_orders(random: Random, customers: list[Customer], products: list[Product]) -> list[Order]:
    known_since = [customer.signed_up_on for customer in customers]
    weights = [BUYS[customer.segment] for customer in customers]
    orders = []
    for number, moment in enumerate(make_moments(random), start=10001):
        known = bisect(known_since, moment.date())
        customer = pick(random, customers[:known], weights[:known])
        orders.append(make_order(random, number, moment, customer, products))
    return orders


def make_rating(random: Random, product: Product, bought_on: date) -> int:
    mean = product.mean_rating
    if product.sku in BAD_SPELLS:
        first, last, low = BAD_SPELLS[product.sku]
        mean = low if first <= bought_on <= last else mean
    spread = sum(random.random() for _ in range(3)) - 1.5
    return min(5, max(1, int(mean + 2.8 * spread + 0.5)))


def make_body(random: Random, language: str, category: str, rating: int) -> str:
    mood = "bad" if rating < 3 else "good" if rating > 3 else "mixed"
    texts = WORDS["reviews"][language]
    return f"{pick(random, texts[category][mood])} {pick(random, texts['purchase'][mood])}"


def make_reviews(random: Random, orders: list[Order]) -> list[tuple[Cell, ...]]:
    """Resellers do not review, the others a product once at most and supplies less often."""
    first: dict[tuple[Customer, Product], Order] = {}
    for order in orders:
        if order.delivered_on and order.customer.segment != "reseller":
            for product in order.items:
                first.setdefault((order.customer, product), order)
    drawn = {pair: random.random() * (2 if pair[1].category == "supplies" else 1) for pair in first}
    reviews = []
    for customer, product in sorted(first, key=lambda pair: drawn[pair]):
        order = first[customer, product]
        written_on = (order.delivered_on or TODAY) + timedelta(between(random, 2, 40))
        if written_on <= TODAY:
            rating = make_rating(random, product, order.ordered_at.date())
            body = make_body(random, customer.language, product.category, rating)
            numbers = product.product_id, customer.customer_id
            reviews.append((*numbers, rating, customer.language, body, written_on))
    chosen = sorted(reviews[:REVIEWS], key=lambda review: review[-1])
    return [(number, *review) for number, review in enumerate(chosen, start=1)]


def literal(cell: Cell) -> str:
    if cell is None:
        return "NULL"
    if isinstance(cell, int | Decimal):
        return str(int(cell) if isinstance(cell, bool) else cell)
    return "'" + str(cell).replace("'", "''") + "'"


def insert(table: str, rows: Sequence[Sequence[Cell]]) -> str:
    statements = []
    for start in range(0, len(rows), 500):
        values = ("(" + ",".join(map(literal, row)) + ")" for row in rows[start : start + 500])
        statements.append(f"INSERT INTO {table} VALUES\n" + ",\n".join(values) + ";\n")
    return "".join(statements)


def shop_sql() -> str:
    random = Random(SEED)
    products, customers = make_products(random), make_customers(random)
    orders = make_orders(random, customers, products)
    lines = [
        (order.order_id, product.product_id, pieces, product.price)
        for order in orders
        for product, pieces in order.items.items()
    ]
    return SCHEMA + "".join(
        (
            insert("customers", customers),
            insert("products", [product[:9] for product in products]),
            insert(
                "orders", [(order[0], order.customer.customer_id, *order[2:10]) for order in orders]
            ),
            insert("order_items", [(number, *line) for number, line in enumerate(lines, start=1)]),
            insert("reviews", make_reviews(random, orders)),
        )
    )


if __name__ == "__main__":
    SHOP_SQL.write_text(shop_sql(), encoding="utf-8", newline="\n")
