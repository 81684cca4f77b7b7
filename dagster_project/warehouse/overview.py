"""The first page of the dbt documentation: the text of dbt/models/_overview.md, and the metrics as declared."""

from typing import Any, Final

from dagster_project.warehouse.variables import VARIABLES

PAGE: Final = "doc.hub.__overview__"
HEADER: Final = "| metric | unit | by | definition |\n|---|---|---|---|\n"


def add_metrics(manifest: Any) -> None:
    """Append the table of the metrics to the first page of dbt's manifest."""
    rows = [
        f"| `{metric['name']}` | {metric['unit']} | {', '.join(metric['dimensions'])} | {metric['description']} |\n"
        for metric in VARIABLES["metric_properties"]
    ]
    page = manifest.docs[PAGE]
    page.block_contents += "\n\n" + HEADER + "".join(rows)
