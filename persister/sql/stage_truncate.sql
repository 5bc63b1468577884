-- Now and then instead of stage_delete.sql: TRUNCATE gives the room back, at the price of new rows in pg_class.
TRUNCATE pg_temp.staging, pg_temp.fresh, pg_temp.aliases, pg_temp.touched;
COPY pg_temp.staging FROM STDIN;
