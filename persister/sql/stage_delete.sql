-- The usual way to empty the staging table: it leaves dead rows, but doesn't touch the catalog.
DELETE FROM pg_temp.staging;
COPY pg_temp.staging FROM STDIN;
