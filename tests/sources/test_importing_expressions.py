"""The expression language: exact, typed, and restricted to computations."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.importing.expression_compiler import Namespace, compile_expression
from sources.importing.expression_functions import Dialect, MappingError, Value
from sources.importing.expressions import Cells, Rows

LISBON = Dialect(ZoneInfo("Europe/Lisbon"), nulls=frozenset({"NULL", ""}))
GERMAN = Dialect(ZoneInfo("Europe/Berlin"), decimal=",", thousands=".")


def evaluated(source: str, dialect: Dialect = LISBON, **columns: list[str]) -> Cells:
    namespace = Namespace([*columns], {}, dialect)
    size = len(next(iter(columns.values()), [""]))
    return compile_expression(source, namespace).evaluate(Rows(size, columns))


def value(source: str, dialect: Dialect = LISBON, **cells: str) -> Value:
    found = evaluated(source, dialect, **{name: [cell] for name, cell in cells.items()})
    assert not found.faults, found.faults
    return found.values[0]


@pytest.mark.parametrize(
    "source",
    [
        "a.real",
        "a.__class__",
        "(1).__class__",
        "__import__",
        "__import__('os')",
        "column('a').upper()",
        "[x for x in a]",
        "{a: 1}",
        "(lambda: a)()",
        "a[0]",
        "f'{a}'",
        "open('/etc/passwd')",
        "eval('1')",
        "getattr(a, 'b')",
        "a if a else a",
        "(b := a)",
        "concat(*a)",
        "text(value=a)",
        "2 ** 9",
        "a; a",
        "1e3",
        "1j",
        "b'x'",
        "...",
        "a < a < a",
        "-" * 200 + "1",
        "(" * 500,
        "'" + "x" * 2000 + "'",
        "",
    ],
)
def test_code_outside_the_language_is_an_error_before_any_row_is_read(source: str) -> None:
    with pytest.raises(MappingError):
        compile_expression(source, Namespace(["a", "__import__"], {}, LISBON))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("arival", "no column or name 'arival' (closest: arrival)"),
        ("column('Arrival')", "no column 'Arrival' (closest: arrival)"),
        ("mony(adr)", "no function 'mony' (closest: money"),
        ("adr * 2", "wrap the text in number(...)"),
        ("date(adr, adr)", "date(...) takes 3 arguments, not 2"),
        ("at(adr, '15:00')", "at(...) takes a date, not text"),
        ("at(date(adr, adr, adr), '25:00')", "'25:00' is not an hour"),
        ("parse_date(adr, arrival)", "the last argument of parse_date(...) is a text in quotes"),
        ("parse_date(adr, '%Q')", "is not a date format"),
        ("adr == 1", "text cannot be compared with a number"),
        ("when(adr == 'x', 1, 'y')", "one kind of value, not number and text"),
        ("adr == None", "use is_null(...)"),
    ],
)
def test_an_error_message_has_the_correction(source: str, message: str) -> None:
    with pytest.raises(MappingError) as raised:
        compile_expression(source, Namespace(["arrival", "adr"], {}, LISBON))
    assert message in str(raised.value)
    assert f"`{source}`" in str(raised.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("date('2016', 'February', '29') + 1", date(2016, 3, 1)),
        ("date(2016, 'Mar', 1) - number('1')", date(2016, 2, 29)),
        ("date(2016, 3, 1) - date(2016, 2, 1)", Decimal(29)),
        ("parse_date('31/12/2024', '%d/%m/%Y')", date(2024, 12, 31)),
        ("at(date(2016, 7, 1), '15:00')", datetime(2016, 7, 1, 14, tzinfo=UTC)),
        ("at(date(2016, 1, 1), '15:00')", datetime(2016, 1, 1, 15, tzinfo=UTC)),
        ("parse_time('2016-07-01 00:30', '%Y-%m-%d %H:%M')", datetime(2016, 6, 30, 23, 30, tzinfo=UTC)),
        (
            "parse_time('2016-07-01 00:30 +0200', '%Y-%m-%d %H:%M %z')",
            datetime(2016, 6, 30, 22, 30, tzinfo=UTC),
        ),
        ("latest(date(2020, 1, 1), date(2020, 1, 2))", date(2020, 1, 2)),
        ("earliest(date(2020, 1, 1), date(2020, 1, 2))", date(2020, 1, 1)),
        ("0.1 + 0.2", Decimal("0.3")),
        ("-money('6.38') * 10", Decimal("-63.80")),
        ("round_money(10 / 3)", Decimal("3.33")),
        ("round_money(0.125)", Decimal("0.13")),
        ("concat('Agent ', 240, ' of ', date(2020, 1, 1))", "Agent 240 of 2020-01-01"),
        ("concat('x', None)", None),
        ("lower(trim('  Ann '))", "ann"),
        ("upper('a')", "A"),
        ("coalesce(None, 'b', 'c')", "b"),
        ("is_null(None)", True),
        ("not is_null(None)", False),
        ("when(1 < 2 and not (2 <= 1), 'yes', 'no')", "yes"),
        ("when(1 == 2 or 3 != 3, 'yes', 'no')", "no"),
        ("when(None == None, 'yes', 'no')", "no"),
    ],
)
def test_values(source: str, expected: Value) -> None:
    assert value(source) == expected


def test_numbers_are_read_in_the_format_of_the_file() -> None:
    assert value("money(x)", GERMAN, x="€ 1.234.567,89") == Decimal("1234567.89")
    assert value("number(x)", GERMAN, x="-0,001") == Decimal("-0.001")
    for wrong in ("1.23", "12.34.567", "1e5", "NaN", "Infinity", "1_000", "٣", "0x10", "--1", "1,"):
        assert evaluated("number(x)", GERMAN, x=[wrong]).faults[0].reason == "not a number", wrong
    assert evaluated("money(x)", x=["1.005"]).faults[0].reason == "more than two decimals"


def test_an_invalid_cell_affects_only_its_own_row() -> None:
    cells = evaluated("date(y, m, '1')", y=["2016", "2016", "NULL"], m=["May", "Mai", "May"])
    assert cells.values == [date(2016, 5, 1), None, None]
    assert list(cells.faults) == [1]
    assert "'2016 Mai 1'" in cells.faults[1].message


def test_an_unused_branch_has_no_faults_but_an_invalid_cell_is_not_replaced() -> None:
    cells = ["7", "no", "NULL"]
    chosen = evaluated("when(x == 'no', 0, number(x))", x=cells)
    assert (chosen.values, chosen.faults) == ([7, 0, None], {})
    chosen = evaluated("when(x != 'no', number(x), 0)", x=cells)  # null counts as false
    assert (chosen.values, chosen.faults) == ([7, 0, 0], {})
    replaced = evaluated("coalesce(number(x), 0)", x=cells)
    assert (replaced.values, list(replaced.faults)) == ([7, None, 0], [1])


def test_an_impossible_computation_is_a_fault_and_not_an_exception() -> None:
    assert 0 in evaluated("1 / number(x)", x=["0"]).faults
    assert 0 in evaluated("date(2016, 1, 1) + number(x)", x=["99999999"]).faults
    assert 0 in evaluated("date(2016, 1, 1) + number(x)", x=["0.5"]).faults
    assert 0 in evaluated("at(date(x, 1, 1), '00:00') == at(date(x, 1, 1), '00:00')", x=["0"]).faults
    long = "9" * 30
    assert 0 in evaluated("number(x) * number(x) * number(x)", x=[long]).faults


cents = st.integers(-(10**12), 10**12)


def dollars(amount: int) -> str:
    sign, units = ("-" if amount < 0 else ""), abs(amount)
    return f"{sign}{units // 100}.{units % 100:02d}"


@given(st.lists(st.tuples(cents, st.integers(0, 10_000), cents), min_size=1, max_size=20))
def test_money_is_exact(rows: list[tuple[int, int, int]]) -> None:
    cells = evaluated(
        "money(rate) * number(nights) - money(discount)",
        rate=[dollars(rate) for rate, _, _ in rows],
        nights=[str(nights) for _, nights, _ in rows],
        discount=[dollars(discount) for _, _, discount in rows],
    )
    assert not cells.faults
    in_cents = [rate * nights - discount for rate, nights, discount in rows]
    assert [isinstance(amount, Decimal) and int(amount * 100) for amount in cells.values] == in_cents
