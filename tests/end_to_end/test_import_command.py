"""`hub import` as users run it: exit code and report."""

import json
from pathlib import Path

import pytest

from sources.settings import Settings
from tests.end_to_end.test_cli import COLUMNS, hub

GOOD = (
    "1001,Ann [red]Bell[/x],ann@example.org,Audit,Joe,Done,100.00,"
    "2025-03-01,2025-03-10 09:00,2025-03-10 12:00,2025-03-12"
)
BAD = GOOD.replace("1001", "1002").replace("Done", "Lost")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return tmp_path / "bookings.csv"


def test_a_dry_run_shows_the_result_and_writes_nothing(settings: Settings, export: Path) -> None:
    export.write_text("\n".join([COLUMNS, GOOD, BAD, ""]))
    done = hub(settings, "import", "simple_bookings", str(export), "--dry-run")
    assert done.returncode == 0, done.stderr
    for part in (
        "Ann [red]Bell[/x]",  # not interpreted as markup of the terminal
        "100.00 GBP",
        "completed 2025-03-12 23:59",
        "bookings.csv, line 3",
        "The value 'lost' is not in the value map",
        "No payments: collected revenue stays unknown.",
        "2 rows read: 1 new, 0 changed, 0 the same, 1 rejected. Dry run: nothing was written.",
    ):
        assert part in done.stdout
    assert "app.import_rejections" not in done.stdout  # it is empty after a dry run
    again = hub(settings, "import", "simple_bookings", str(export), "--json")
    assert json.loads(again.stdout)["imported"] == 1


def test_the_exit_code_is_0_only_if_anything_is_imported(settings: Settings, export: Path) -> None:
    outcomes = {}
    for name, rows in {"no rows": [], "all rejected": [BAD], "new": [GOOD], "the same": [GOOD]}.items():
        export.write_text("\n".join([COLUMNS, *rows, ""]))
        done = hub(settings, "import", "simple_bookings", str(export))
        outcomes[name] = (done.returncode, done.stdout.strip().splitlines()[-1])
    assert {name: code for name, (code, _) in outcomes.items()} == {
        "no rows": 1, "all rejected": 1, "new": 0, "the same": 0,
    }  # fmt: skip
    assert outcomes["no rows"][1] == "Nothing was imported: the files have a header and no rows."
    assert outcomes["all rejected"][1] == "Nothing was imported: every row was rejected."


def test_a_drafted_mapping_is_tried_at_once(settings: Settings, tmp_path: Path) -> None:
    export, draft = tmp_path / "termine.csv", tmp_path / "mine.yml"
    export.write_bytes(
        "Termin-Nr.;Kunde;Behandlung;Termin;Preis;Status\r\n"
        "1;Anna Groß;Massage;24.12.2025 09:30;45,00 €;Erledigt\r\n"
        "2;Ben Weiß;Massage;23.12.2025 10:00;1.045,00 €;Abgesagt\r\n".encode("cp1252")
    )
    done = hub(settings, "import", "--suggest", str(export), "--out", str(draft))
    assert done.returncode == 0, done.stderr
    assert f"hub import {draft} {export} --dry-run" in done.stdout
    tried = hub(settings, "import", str(draft), str(export), "--dry-run")
    assert "2 rows read: 2 new" in tried.stdout, tried.stdout + tried.stderr
    again = hub(settings, "import", "--suggest", str(export), "--out", str(draft))
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    assert hub(settings, "import", "--suggest", str(export)).stdout.startswith("# A first mapping for termine.csv")
    alone = hub(settings, "import", str(draft))
    assert (alone.returncode, "Give a mapping and the files" in alone.stderr) == (1, True)
