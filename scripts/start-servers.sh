#!/usr/bin/env bash
# Installs what the tests of stores need and this machine lacks (Debian, as root), and starts the servers that do not run:
# PostgreSQL (trust), MariaDB (root without a password) and Redis on their usual ports of 127.0.0.1, with their data in
# the folder given. The pids of what was started are in its file `pids`.
set -euo pipefail
folder=$1
mkdir -p "$folder"
: >"$folder/pids"

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null; }

packages=()
has chromium || packages+=(chromium)
has spin || packages+=(spin)
has gcc || packages+=(gcc libc6-dev)
has openssl || packages+=(openssl)
has postgres || packages+=(postgresql)
has pgbouncer || packages+=(pgbouncer)
has mariadbd || packages+=(mariadb-server)
has redis-server || packages+=(redis-server redis-sentinel)
if [ ${#packages[@]} -gt 0 ]; then
  # Nothing that is installed here starts by itself.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  for attempt in 1 2 3; do
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null; then break; fi
    echo "attempt $attempt of 3 failed: apt-get install ${packages[*]}" >&2
    [ "$attempt" -lt 3 ] || exit 1
    sleep $((attempt * 5))
  done
fi

await() {
  local try
  for try in $(seq 300); do
    if listens "$1"; then return 0; fi
    sleep 0.1
  done
  echo "nothing listens on port $1: see $folder" >&2
  return 1
}

if ! listens 5432; then
  bin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -1)")
  install -d -o postgres -m 0700 "$folder/postgres"
  runuser -u postgres -- "$bin/initdb" -A trust -U postgres -E UTF8 -D "$folder/postgres" >"$folder/postgres.log" 2>&1
  runuser -u postgres -- "$bin/postgres" -D "$folder/postgres" -h 127.0.0.1 -p 5432 -k "$folder/postgres" \
    >>"$folder/postgres.log" 2>&1 &
  echo $! >>"$folder/pids"
  await 5432
fi

if ! listens 3306; then
  install -d -o mysql -m 0700 "$folder/mariadb"
  mariadb-install-db --user=mysql --datadir="$folder/mariadb" --auth-root-authentication-method=normal >"$folder/mariadb.log" 2>&1
  mariadbd --no-defaults --user=mysql --datadir="$folder/mariadb" --bind-address=127.0.0.1 --port=3306 \
    --socket="$folder/mariadb/socket" >>"$folder/mariadb.log" 2>&1 &
  echo $! >>"$folder/pids"
  await 3306
fi

if ! listens 6379; then
  redis-server --bind 127.0.0.1 --port 6379 --save '' --appendonly no --dir "$folder" >"$folder/redis.log" 2>&1 &
  echo $! >>"$folder/pids"
  await 6379
fi
