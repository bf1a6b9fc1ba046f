#!/usr/bin/env bash
# Runs all tests. What they need and is missing is installed, or named in one line.
#
#   tests/run.sh                     everything
#   tests/run.sh timelines           the tests whose names hold a word
#
# PG_BIN          folder of the PostgreSQL programs to test against (default: the newest installed)
# ETL_CITUS_BIN   folder of the programs of a PostgreSQL with Citus; the tests of clusters are skipped without
# ETL_FIXTURE     archive of the services' real output; its test is skipped without
# ETL_BASE_IMAGES program that makes base images which can neither be found nor pulled, given their names
# PROMTOOL        Prometheus' promtool (default: the one on the PATH); its part of the tests is skipped without
# PROPTEST_CASES  random cases of the timeline property (default 200)
# ETL_KILLS       runs to kill at random times (default 100); a quarter as many sessions are ended and as many
#                 connections cut, and the server is restarted once for every twenty
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "tests/run.sh: $*" >&2; exit 1; }

# install PACKAGE: installs a Debian package, if that is this script's to do.
install() {
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then die "install the package $1"; fi
  echo "tests/run.sh: installing the package $1"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$1" >/dev/null
}

# Debian's package would make and start a cluster that nobody asked for.
install_postgres() {
  local settings=/etc/postgresql-common/createcluster.d/tests.conf
  if ((EUID == 0)); then
    mkdir -p "${settings%/*}"
    echo 'create_main_cluster = false' >"$settings"
  fi
  install postgresql
  rm -f "$settings"
}

# Debian's package would start a pooler that nobody asked for.
install_pgbouncer() {
  local policy=/usr/sbin/policy-rc.d
  if [[ -e $policy ]]; then
    install pgbouncer
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap "rm -f $policy" EXIT
  install pgbouncer
  rm -f "$policy"
  trap - EXIT
}

has_postgres() {
  [[ -n ${PG_BIN-} ]] || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v pg_config >/dev/null
}

command -v cargo >/dev/null || die "install Rust with rustup: cargo is not here"
command -v cc >/dev/null || install gcc
has_postgres || install_postgres
# The tests that need it are skipped without.
if [[ ! -x /usr/sbin/pgbouncer ]] && ((EUID == 0)) && command -v apt-get >/dev/null; then install_pgbouncer; fi

# Passed tests show what they print too: that is where a skipped one says so.
cargo test --locked --quiet -- --show-output "$@"
