# ruff: noqa: E501 - rows as in the exports
"""The shipped mappings for exports of known systems, each with a generated file of that layout."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from sources.importing import ImportReport, find_mapping, import_files
from sources.settings import Settings

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

CAL_COM = """\
id,uid,title,createdAt,timeStatus,eventTypeId,eventLength,startTime,endTime,paid,userEmail,userUsername,rating,\
ratingFeedback,noShowHost,createdAt_date,createdAt_time,startTime_date,startTime_time,endTime_date,endTime_time,\
noShowGuests,noShowGuestsCount,attendee1,attendeePhone1
1,u1,30 min between Jo and Ann,2026-05-01T10:00:00.000Z,completed,7,30,2026-05-04T09:00:00.000Z,\
2026-05-04T09:30:00.000Z,false,jo@example.org,jo,5,,false,2026-05-01,11:00:00,2026-05-04,10:00:00,2026-05-04,10:30:00,,0,\
Ann Bell (ann@example.org),
2,u2,30 min between Jo and Ben,2026-05-02T10:00:00.000Z,completed,7,30,2026-05-05T09:00:00.000Z,\
2026-05-05T09:30:00.000Z,false,jo@example.org,jo,,,false,2026-05-02,11:00:00,2026-05-05,10:00:00,2026-05-05,10:30:00,\
Ben Moss (ben@example.org),1,Ben Moss (ben@example.org),
3,u3,60 min between Jo and Cy,2026-05-02T11:00:00.000Z,rescheduled,8,60,2026-05-06T09:00:00.000Z,\
2026-05-06T10:00:00.000Z,false,jo@example.org,jo,,,false,2026-05-02,12:00:00,2026-05-06,10:00:00,2026-05-06,11:00:00,,0,\
Cy Fox (cy@example.org),+44 20 7946 0000
"""

CALENDLY = """\
User Name,Team,Invitee Name,Invitee First Name,Invitee Last Name,Invitee Email,Invitee Time Zone,\
Invitee accepted marketing emails,Text Reminder Number,Event Type Name,Start Date & Time,End Date & Time,Location,\
Event Created Date & Time,Canceled,Canceled By,Cancellation reason,Question 1,Response 1,UTM Source,Event Price,\
Payment Currency,Guest Email(s),Invitee Reconfirmed,Marked as No-Show,Meeting Notes,Group,User Email,Event UUID,Invitee UUID
Jo Park,,Ann Bell,Ann,Bell,ann@example.org,Central Time - US & Canada,,,Intro call,2026-03-03 11:00 am,\
2026-03-03 11:30 am,,2026-03-02 01:40 pm,false,,,Why?,"Growth, mostly",,25.00,usd,,,No,,,jo@example.org,e1,i1
Jo Park,,Ben Moss,Ben,Moss,ben@example.org,Central Time - US & Canada,,,Intro call,2026-03-04 12:00 pm,\
2026-03-04 12:30 pm,,2026-03-02 02:40 pm,true,Ben Moss,ill,Why?,,,,,,,No,,,jo@example.org,e2,i2
Jo Park,,Cy Fox,Cy,Fox,cy@example.org,Central Time - US & Canada,,,Workshop,2026-03-05 09:00 am,\
2026-03-05 10:00 am,,2026-03-02 03:40 pm,false,,,Why?,,,,,,,Yes,,,jo@example.org,e3,i3
"""
OLD_CALENDLY = """\
User Name,Invitee Name,Invitee Email,Event Type Name,Start Date & Time,End Date & Time,Event Created Date & Time,Canceled,\
Event UUID
Jo Park,Ann Bell,ann@example.org,Intro call,2026-03-03 11:00 am,2026-03-03 11:30 am,2026-03-02 01:40 pm,false,e1
"""

ACUITY = """\
"Start Time","End Time","First Name","Last Name","Phone","Email","Type","Calendar","Appointment Price","Paid?",\
"Amount Paid Online","Certificate Code","Notes","Date Scheduled","Label","Scheduled By","Appointment ID"
"December 2, 2025 9:00 am","December 2, 2025 10:45 am","Ann","Bell","'+447700900100","ann@example.org","Gel nails",\
"Jo Park","29.00","yes","29.00","","","2025-11-25","","","901"
"December 3, 2025 1:00 pm","December 3, 2025 2:00 pm","Ben","","","","Brow wax","Ada Lim","7.50","no","0.00","","late",\
"2025-11-26","","jo@example.org","902"
"""

SQUARE = """\
Date,Time,Time Zone,Category,Item,Qty,Price Point Name,SKU,Modifiers Applied,Gross Sales,Discounts,Net Sales,Tax,\
Transaction ID,Payment ID,Device Name,Notes,Details,Event Type,Location,Dining Option,Customer ID,Customer Name,\
Customer Reference ID,Unit,Count,GTIN,Itemization Type,Commission,Employee,Fulfillment Note,Channel,Token,Card Brand,PAN Suffix
2026-07-18,12:59:30,Eastern Time (US & Canada),Nails,Gel Manicure,1.0,Regular,,,$45.00,-$5.00,$40.00,$3.20,T1,P1,iPad,,,\
Payment,Main,,C1,Ann Bell,,,1,,Service,$20.00,Jo Park,,,,Visa,1234
2026-07-18,12:59:30,Eastern Time (US & Canada),Retail,Cuticle Oil,1.0,Regular,,,$12.00,$0.00,$12.00,$1.06,T1,P1,iPad,,,\
Payment,Main,,C1,Ann Bell,,,1,,Physical Good,$0.00,Jo Park,,,,Visa,1234
2026-07-19,09:05:00,Eastern Time (US & Canada),Nails,Gel Manicure,1.0,Regular,,,-$45.00,$0.00,-$45.00,-$3.60,T2,P2,iPad,,,\
Refund,Main,,,,,,1,,Service,$0.00,,,,,Visa,1234
"""

STRIPE = """\
id,Description,Seller Message,Created (UTC),Amount,Amount Refunded,Currency,Converted Amount,Converted Amount Refunded,Fee,\
Tax,Converted Currency,Mode,Status,Statement Descriptor,Customer ID,Customer Description,Customer Email,Captured,Card ID,\
Card Last4,Card Brand,Invoice ID,Payment Source Type,Transfer
ch_1,Coaching hour,Payment complete.,2026-06-05 20:38:34,125.00,0.00,eur,125.00,0.00,2.10,0.00,eur,Live,Paid,,cus_1,Ann Bell,\
ann@example.org,true,card_1,4242,Visa,,card,po_1
ch_2,Coaching hour,Payment complete.,2026-06-06 08:00:00,125.00,125.00,eur,125.00,125.00,2.10,0.00,eur,Live,Refunded,,cus_2,,\
ben@example.org,true,card_2,4242,Visa,,card,po_1
ch_3,,Payment complete.,2026-06-07 08:00:00,80.00,30.00,eur,80.00,30.00,1.50,0.00,eur,Live,Paid,,,,,true,card_3,4242,Visa,,card,
ch_4,Coaching hour,The card was declined.,2026-06-08 08:00:00,125.00,0.00,eur,125.00,0.00,0.00,0.00,eur,Live,Failed,,cus_1,\
Ann Bell,ann@example.org,false,card_1,4242,Visa,,card,
"""
NEW_STRIPE = STRIPE.replace("Created (UTC)", "Created date (UTC)")

Bookings = list[tuple[str, str, Decimal, str]]


def import_through(settings: Settings, tmp_path: Path, name: str, content: str) -> ImportReport:
    file = tmp_path / f"{name}.csv"
    file.write_text(content)
    report = import_files(settings, find_mapping(name), [file], as_of_now=NOW)
    assert report.rejected == 0, report.by_reason
    assert report.records["booking"].new == len(content.splitlines()) - 1
    again = import_files(settings, find_mapping(name), [file], as_of_now=NOW)
    assert (again.imported, again.changed) == (0, 0)
    return report


def bookings(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select status, total_amount, client.full_name, provider.full_name, service.name "
        "from app.bookings as booking join app.profiles as client on client.id = client_id "
        "left join app.profiles as provider on provider.id = provider_id "
        "join app.services as service on service.id = service_id "
        "order by scheduled_start, booking.created_at, total_amount desc"
    ).fetchall()


def payments(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("select kind, amount from app.payments order by paid_at, amount desc").fetchall()


def test_cal_com(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    import_through(settings, tmp_path, "cal_com", CAL_COM)
    assert [row[:1] + row[2:] for row in bookings(connection)] == [
        ("completed", "Ann Bell (ann@example.org)", "jo", "Event type 7"),
        ("no_show", "Ben Moss (ben@example.org)", "jo", "Event type 7"),
        ("cancelled", "Cy Fox (cy@example.org)", "jo", "Event type 8"),
    ]


def test_calendly(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    import_through(settings, tmp_path, "calendly", CALENDLY)
    assert bookings(connection) == [
        ("confirmed", Decimal("25.00"), "Ann Bell", "Jo Park", "Intro call"),
        ("cancelled", Decimal("0.00"), "Ben Moss", "Jo Park", "Intro call"),
        ("no_show", Decimal("0.00"), "Cy Fox", "Jo Park", "Workshop"),
    ]
    starts = connection.execute("select min(scheduled_start) from app.bookings").fetchall()
    assert starts == [(datetime(2026, 3, 3, 16, tzinfo=UTC),)]


def test_an_older_export_of_calendly(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    import_through(settings, tmp_path, "calendly", OLD_CALENDLY)
    assert bookings(connection) == [("confirmed", Decimal("0.00"), "Ann Bell", "Jo Park", "Intro call")]


def test_acuity(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    import_through(settings, tmp_path, "acuity", ACUITY)
    assert bookings(connection) == [
        ("completed", Decimal("29.00"), "Ann Bell", "Jo Park", "Gel nails"),
        ("completed", Decimal("7.50"), "Ben", "Ada Lim", "Brow wax"),
    ]
    assert payments(connection) == [("payment", Decimal("29.00"))]


def test_square(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    import_through(settings, tmp_path, "square", SQUARE)
    assert bookings(connection) == [
        ("completed", Decimal("40.00"), "Ann Bell", "Jo Park", "Gel Manicure"),
        ("completed", Decimal("12.00"), "Ann Bell", "Jo Park", "Cuticle Oil"),
        ("completed", Decimal("-45.00"), "Walk-in client", None, "Gel Manicure"),
    ]
    assert payments(connection) == [
        ("payment", Decimal("43.20")),
        ("payment", Decimal("13.06")),
        ("refund", Decimal("48.60")),
    ]


@pytest.mark.parametrize("content", [STRIPE, NEW_STRIPE])
def test_stripe(settings: Settings, connection: psycopg.Connection, tmp_path: Path, content: str) -> None:
    import_through(settings, tmp_path, "stripe", content)
    assert bookings(connection) == [
        ("completed", Decimal("125.00"), "Ann Bell", None, "Coaching hour"),
        ("refunded", Decimal("125.00"), "ben@example.org", None, "Coaching hour"),
        ("completed", Decimal("80.00"), "Unknown client", None, "Payment"),
        ("expired", Decimal("125.00"), "Ann Bell", None, "Coaching hour"),
    ]
    assert payments(connection) == [("payment", Decimal("125.00")), ("payment", Decimal("50.00"))]
