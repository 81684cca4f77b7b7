"""Check of files before their import, without a database: `python -m sources.importing.checking` in their folder.

The files come from people who may send anything, so a process of its own reads them, with limits of time and memory
and without a secret in its environment. It writes a FileCheck as JSON.
"""

import json
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from sources.errors import HubError
from sources.importing import BLOCK_ROWS, compile_inputs
from sources.importing.input_files import match_files
from sources.importing.mapping import Organization
from sources.importing.mapping_files import load_mapping
from sources.importing.rows import Progress, stage
from sources.importing.suggesting import suggest_mapping

MAPPING: Final = "mapping.yml"  # the mapping in the folder
ORGANIZATION: Final = "organization.json"  # the organisation of the person who asks
FILES: Final = "files"  # the folder of the files
MAX_CPU_S: Final = 30
MAX_MEMORY_BYTES: Final = 1_500_000_000
FIRST_SHOWN: Final = 3  # rejections of each reason


class Reason(BaseModel):
    """Why rows are rejected, with the first of them."""

    field: str
    reason: str
    rows: int
    first: list["RejectedRow"]


class RejectedRow(BaseModel):
    """A value that is not accepted, and where it is."""

    file: str
    row_number: int
    value: str | None
    message: str


class FileCheck(BaseModel):
    """What an import of the files would read. `problem` says why they cannot be read at all; else it is empty.

    `records` counts the records that are accepted, by kind, and `rejected` the rows that are not.
    """

    mapping: str = ""
    problem: str = ""
    rows_read: int = 0
    records: dict[str, int] = {}
    rejected: int = 0
    reasons: list[Reason] = []
    left_out: dict[str, int] = {}
    warnings: dict[str, int] = {}
    formats: dict[str, str] = {}


def check_files(files: Sequence[Path], mapping: Path, organization: Organization) -> FileCheck:
    """Evaluate every row of `files` by the mapping; where there is none, one is drafted into its place.

    What needs the database is not checked, such as a number that two records have.
    """
    text = ""
    try:
        if not mapping.exists():
            mapping.write_text(suggest_mapping(files, organization), encoding="utf-8")
        text = mapping.read_text(encoding="utf-8")
        model = load_mapping(mapping, organization.slug)
        inputs = match_files(model, mapping.name, [str(file) for file in files])
        plans = compile_inputs(model, mapping.name, inputs)
        progress = Progress(model.organization, datetime.now(UTC))
        records, counts, rejected = Counter[str](), Counter[tuple[str, str]](), set[int]()
        first: dict[tuple[str, str], list[RejectedRow]] = {}
        for table, plan in zip(inputs, plans, strict=True):
            progress.digests.clear()
            with table.open() as opened:
                while rows := list(islice(opened.records, BLOCK_ROWS)):
                    for block in stage(rows, table.header, plan, table.title, progress):
                        records[block.kind.name] += len(block.columns["position"])
                        for found in block.rejections:
                            reason = (found.field, found.reason)
                            rejected.add(found.position)
                            counts[reason] += 1
                            if counts[reason] <= FIRST_SHOWN:
                                row = RejectedRow.model_validate(found, from_attributes=True)
                                first.setdefault(reason, []).append(row)
    except HubError as error:
        return FileCheck(mapping=text, problem=str(error))
    return FileCheck(
        mapping=text,
        rows_read=progress.rows_read,
        records=records,
        rejected=len(rejected),
        reasons=[
            Reason(field=field, reason=reason, rows=number, first=first[field, reason])
            for (field, reason), number in counts.most_common()
        ],
        left_out={kind: number for kind, number in progress.left_out.items() if number},
        warnings={sentence: number for sentence, number in progress.warnings.items() if number},
        formats={table.title: table.layout.description() for table in inputs},
    )


def main() -> None:
    """Check the files of the folder that is the current one."""
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    organization = Organization.model_validate_json(Path(ORGANIZATION).read_text(encoding="utf-8"))
    check = check_files(sorted(Path(FILES).iterdir()), Path(MAPPING), organization)
    json.dump(check.model_dump(), sys.stdout)


if __name__ == "__main__":
    main()
