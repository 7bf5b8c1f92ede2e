#!/bin/sh
# Run by Postgres's image when it makes its database: the users of the three schemas (roles.sql).
psql --username=postgres --dbname=dreamlake --set=ON_ERROR_STOP=1 --quiet --file=/roles.sql \
    --set=bss="$BSS_PASSWORD" --set=dreamlake="$DREAMLAKE_PASSWORD" --set=dagster="$DAGSTER_PASSWORD"
