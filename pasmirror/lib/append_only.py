"""Tables that only grow: the trigger that refuses UPDATE and DELETE, as a migration operation."""

from django.db.migrations import RunSQL

FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'append-only table %: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""


def refuse_changes(table: str) -> RunSQL:
    """Give the operation that makes `table` append-only for every role; reversible."""
    return RunSQL(
        sql=[
            FUNCTION,
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change();",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();",
        ],
        reverse_sql=[
            f"DROP TRIGGER {table}_append_only ON {table};",
            f"DROP TRIGGER {table}_no_truncate ON {table};",
        ],
    )
