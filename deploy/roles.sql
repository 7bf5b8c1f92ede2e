-- The database's users on your own Postgres 15 or newer: one for each part, which owns its schema and nothing else.
-- As a superuser, once, in the database that dreamlake-pipeline is to use:
--
--   psql --dbname=dreamlake --set=bss=PASSWORD --set=dreamlake=PASSWORD --set=dagster=PASSWORD --file=roles.sql

CREATE ROLE bss LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'bss';
CREATE ROLE dreamlake LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'dreamlake';
CREATE ROLE dagster LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'dagster';

SELECT current_database() AS database \gset
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO bss, dreamlake, dagster;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS bss AUTHORIZATION bss;
CREATE SCHEMA IF NOT EXISTS dreamlake AUTHORIZATION dreamlake;
CREATE SCHEMA IF NOT EXISTS dagster AUTHORIZATION dagster;

-- A database that one user owned so far: its tables move with `REASSIGN OWNED BY that_user TO bss`, `dreamlake` or
-- `dagster`, one schema after the other, or table by table with `ALTER TABLE … OWNER TO …`.
