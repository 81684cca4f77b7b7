"""How figures and money of an organisation are written."""

from alembic import op

revision = "0041"
down_revision = "0040"

LOCALES = (
    "en_US", "en_GB", "en_IN", "de_DE", "de_AT", "de_CH", "es_ES", "es_MX", "fr_FR", "fr_CH", "it_IT", "nl_NL", "pt_BR",
    "pt_PT", "da_DK", "fi_FI", "nb_NO", "sv_SE", "cs_CZ", "pl_PL", "tr_TR", "ja_JP",
)  # fmt: skip


def upgrade() -> None:
    op.execute(
        f"""
        alter table app.organizations
            add column locale text not null default 'en_US',
            add constraint ck_organizations_locale check (locale in {LOCALES});
        grant update (locale) on app.organizations to hub_api;
        """
    )


def downgrade() -> None:
    op.execute("alter table app.organizations drop column locale")
