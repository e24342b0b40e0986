#!/bin/bash
# What compose uses of the real image's entry point.
set -euo pipefail
[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" && chown -R postgres "$PGDATA" /var/run/postgresql
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
value() { # VARIABLE DEFAULT: of VARIABLE, or of the file that VARIABLE_FILE names
  local file=$1_FILE
  if [ -n "${!file:-}" ]; then cat "${!file}"; else printf %s "${!1:-$2}"; fi
}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=$(value POSTGRES_USER postgres)
  password=$(value POSTGRES_PASSWORD '')
  database=$(value POSTGRES_DB "$user")
  [ -n "$password" ] || { echo 'Error: POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set' >&2; exit 1; }
  eval "initdb --pgdata=\"$PGDATA\" --username=\"\$user\" --pwfile=<(echo \"\$password\") ${POSTGRES_INITDB_ARGS:-}"
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
  export PGUSER=$user PGPASSWORD=$password
  pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -k $PGHOST"
  [ "$database" = postgres ] || createdb "$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
    *.sh) bash "$file" ;;
    *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc -d "$database" -f "$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGUSER PGPASSWORD
fi
exec "$@" -k /var/run/postgresql
