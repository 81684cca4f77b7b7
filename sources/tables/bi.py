"""Table of the logins of BI tools: a row for each organisation whose rows the login sees."""

from sqlalchemy import UniqueConstraint

from sources.tables.columns import hub_table, text_column

bi_access = hub_table(
    "bi_access",
    text_column("login"),  # a role of the server that is a member of hub_reader
    UniqueConstraint("login", "org_id"),
)
