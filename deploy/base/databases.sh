#!/bin/sh
# Runs once, on an empty server: a database for each service, which only its own role may enter.
set -eu
for service in orchestrator builder auditor gate memory; do
    password=$(printenv "$(echo "$service" | tr '[:lower:]' '[:upper:]')_PASSWORD")
    psql --set=ON_ERROR_STOP=1 --username=postgres --set=service="$service" --set=password="$password" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done
