-- The usual way to empty the staging table: it leaves dead rows, but doesn't touch the catalog.
DELETE FROM staging;
COPY staging FROM STDIN;
