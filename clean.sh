#!/usr/bin/env bash
# Removes what ./rerun.sh made: its containers and their volume, its processes, should any still run, the folder data/,
# and its line in .env. What was built stays.
#
# usage: ./clean.sh
#
# rerun.sh sources this file for its functions.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

# Seconds that a process gets to end by itself. PostgreSQL's orderly shutdown writes all that is in memory first.
readonly GRACE=30

# What Docker Compose calls the containers, the volume and the network of this folder. Left to itself it takes the last
# part of the folder's name, and so would take another clone's for ours. One that is set for another project is no less
# wrong.
COMPOSE_PROJECT_NAME=etl-$(printf %s "$PWD" | sha256sum | cut -c-8)
export COMPOSE_PROJECT_NAME

# die TEXT: ends the script with one line of what went wrong.
die() {
  echo "$(basename "$0"): $1" >&2
  exit 1
}

# identity PID: what no later process of the same number shares: the machine's boot and the time the process began.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra stat <<<"${stat##*) }" # the name before the ')' may hold blanks
  [[ ${stat[0]} != Z ]] || return 1
  echo "$(</proc/sys/kernel/random/boot_id) ${stat[19]}"
}

# remember NAME PID: makes the process known to every later rerun.sh and clean.sh. One that has ended at once has no
# identity, and is not taken for running.
remember() {
  echo "$2 $(identity "$2")" >"data/run/$1.pid"
}

# running NAME: prints the number of the remembered process, and fails if it has ended.
running() {
  local pid remembered
  read -r pid remembered 2>/dev/null <"data/run/$1.pid" || return 1
  [[ -n $remembered && $(identity "$pid") == "$remembered" ]] || return 1
  echo "$pid"
}

# stop NAME SIGNAL: ends the remembered process if it still runs.
stop() {
  local pid signal deadline
  for signal in "$2" KILL; do
    pid=$(running "$1") || break
    kill -s "$signal" "$pid" 2>/dev/null ||
      die "may not stop process $pid ($1), which another user started: run this as that user"
    deadline=$((SECONDS + GRACE))
    while ((SECONDS < deadline)) && running "$1" >/dev/null; do sleep 0.1; done
  done
  rm -f "data/run/$1.pid"
}

# stop_services: ends what writes events.
stop_services() {
  stop users TERM
  stop cards TERM
}

# stop_database: ends PostgreSQL. INT is its fast shutdown: it drops its clients and loses nothing.
stop_database() {
  stop postgres INT
}

# compose_name: prints how Docker Compose is called here: the engine's own command, or the program of old.
compose_name() {
  if docker compose version >/dev/null 2>&1; then echo "docker compose"; else echo docker-compose; fi
}

# compose ARGUMENT...: Docker Compose.
compose() {
  local name
  read -ra name <<<"$(compose_name)"
  "${name[@]}" "$@"
}

# engine_answers: whether there is a Docker engine that this user may use, with Compose.
engine_answers() {
  command -v docker >/dev/null && docker info >/dev/null 2>&1 && compose version >/dev/null 2>&1
}

# write_project LINE...: makes these the first lines of .env, instead of the one that names the project. The rest of the
# file is its owner's.
write_project() {
  local rest=
  if [[ -e .env ]]; then rest=$(sed '/^COMPOSE_PROJECT_NAME=/d' .env); fi
  if (($# == 0)) && [[ -z $rest ]]; then
    rm -f .env
  else
    printf '%s\n' "$@" ${rest:+"$rest"} >.env
  fi
}

# tell_project: tells the project's name to whoever calls Docker Compose by hand in this folder.
tell_project() {
  write_project "COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME"
}

# project_parts: prints the containers and the volume of the project.
project_parts() {
  docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
  docker volume ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
}

# clean_containers: removes the project's containers and their volume.
clean_containers() {
  local before
  engine_answers || return 0
  before=$(project_parts)
  compose down --volumes --remove-orphans --timeout "$GRACE" >/dev/null 2>&1 ||
    die "the containers could not be removed: see $(compose_name) --project-name $COMPOSE_PROJECT_NAME down --volumes"
  write_project
  [[ $before == "$(project_parts)" ]] || echo "Removed the containers of the last run and their warehouse."
}

# need_own_data: ends the script if data/ is there and is another user's.
need_own_data() {
  if ((EUID != 0)) && [[ -e data && ! -O data ]]; then
    die "data/ belongs to the user $(stat -c %U data): run this as that user"
  fi
}

# clean: ends everything that rerun.sh has started, and removes what it made.
clean() {
  clean_containers
  [[ -e data || -L data ]] || return 0
  need_own_data
  stop rerun TERM
  stop_services
  stop_database
  rm -rf --one-file-system -- data || die "data/ could not be removed whole: see rm's message above"
  echo "Removed data/: the events, the logs and the warehouse of the last run."
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  case "$#:${1-}" in
  0:) clean ;;
  1:-h | 1:--help) sed -n '2,6s/^# \{0,1\}//p' "$0" ;;
  *)
    echo "clean.sh: takes no arguments; see ./clean.sh --help" >&2
    exit 2
    ;;
  esac
fi
