"""The schema's revisions, applied in order by Alembic."""
