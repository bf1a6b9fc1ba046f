#!/usr/bin/env bash
# Runs all tests. With cargo they run on this machine; without it, but with a Docker engine, in a container. With neither
# it prints what it would install, and does so if somebody agrees.
#
#   tests/run.sh                     everything
#   tests/run.sh timelines           the tests whose names hold a word
#   tests/run.sh --yes [NAME...]     install what is missing without asking
#
# PG_BIN          folder of the PostgreSQL programs to test against (default: the newest installed)
# ETL_CITUS_BIN   folder of the programs of a PostgreSQL with Citus; the tests of clusters are skipped without
# ETL_FIXTURE     archive of the services' real output; its test is skipped without
# ETL_BASE_IMAGES program that makes base images which can neither be found nor pulled, given their names
# PROMTOOL        Prometheus' promtool (default: the one on the PATH); its part of the tests is skipped without
# PROPTEST_CASES  random cases of the timeline property (default 200)
# ETL_KILLS       runs to kill at random times (default 100); a quarter as many sessions are ended and as many
#                 connections cut, and the server is restarted once for every twenty. A soak is
#                 ETL_KILLS=1000 tests/run.sh random_times cut_in_the_middle
#
# In a container the tests of the containers are skipped. What they build stays in the volume etl-tests.
set -euo pipefail
cd "$(dirname "$0")/.."
source src/package/requirements.sh

die() { echo "tests/run.sh: $*" >&2; exit 1; }

# install PACKAGE: installs a Debian package, if that is this script's to do.
install() {
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then die "install the package $1"; fi
  install_packages "$1"
}

has_postgres() {
  [[ -n ${PG_BIN-} ]] || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v pg_config >/dev/null
}

# have_image NAME: makes sure of a base image. Fails if it is neither here nor to be had.
have_image() {
  docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null 2>&1 ||
    { [[ -n ${ETL_BASE_IMAGES-} ]] && "$ETL_BASE_IMAGES" "$1" >/dev/null; }
}

# run_in_container NAME...: runs the tests in a container of the Dockerfile's own toolchain, with a PostgreSQL server, over
# these sources, which it cannot change. Its /tmp is a volume: a file in a layer of the image changes its inode. It has the
# loopback address of IPv6, as machines do: else that is the last one that a client tries for localhost.
run_in_container() {
  local image options=() name
  echo "cargo is not here: running the tests in a container (the first time takes some minutes) ..."
  docker build --quiet --target toolchain --tag etl-toolchain . >/dev/null 2>&1 ||
    die "the toolchain's image could not be built: see docker build --target toolchain ."
  image=$(docker build --quiet --tag etl-tests - 2>/dev/null <<'DOCKERFILE'
FROM etl-toolchain
RUN apt-get update && \
    mkdir -p /etc/postgresql-common/createcluster.d && \
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/etl.conf && \
    apt-get install -y --no-install-recommends gcc libc6-dev git groff man-db pgbouncer postgresql procps strace
DOCKERFILE
  ) || die "the image of the tests could not be built: see the packages that tests/run.sh installs in it"
  [[ ! -e /proc/sys/net/ipv6 ]] || options+=(--sysctl net.ipv6.conf.lo.disable_ipv6=0)
  for name in ETL_KILLS PROPTEST_CASES; do options+=(--env "$name"); done
  if [[ -n ${ETL_FIXTURE-} ]]; then
    options+=(--env ETL_FIXTURE=/fixture --volume "$(realpath "$ETL_FIXTURE"):/fixture:ro")
  fi
  exec docker run --rm --init "${options[@]}" --volume "$PWD:$PWD:ro" --workdir "$PWD" \
    --volume /tmp --volume etl-tests:/cache --env CARGO_HOME=/cache/cargo --env CARGO_TARGET_DIR=/cache/target \
    "$image" tests/run.sh "$@"
}

agreed=false
if [[ ${1-} == --yes ]]; then
  agreed=true
  shift
fi
if ! find_cargo; then
  if command -v docker >/dev/null && docker info >/dev/null 2>&1 &&
    have_image "$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)"; then
    run_in_container "$@"
  fi
  if has_postgres; then install_rust "$agreed"; else install_rust "$agreed" postgresql; fi
fi
command -v cc >/dev/null || install gcc
has_postgres || install postgresql
# The tests that need it are skipped without.
if [[ ! -x /usr/sbin/pgbouncer ]] && ((EUID == 0)) && command -v apt-get >/dev/null; then install pgbouncer; fi

# Passed tests show what they print too: that is where a skipped one says so. Many tests of the loader wait, for a slow
# disk or a claim that expires, so more of them run at once than there are cores.
cargo test --locked --quiet --lib --bins --test containers --test scripts -- --show-output "$@"
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))} cargo test --locked --quiet --test loader -- --show-output "$@"
