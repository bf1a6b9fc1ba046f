#!/usr/bin/env bash
# Removes what ./rerun.sh made: its containers and their volume, its processes, should any still run, and the folder
# data/. What was built stays.
#
# usage: ./clean.sh
#
# rerun.sh sources this file for its functions.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

# Seconds that a process gets to end by itself. PostgreSQL's orderly shutdown writes all that is in memory first.
readonly GRACE=30

# What Docker Compose calls the containers, the volume and the network of this folder. Left to itself it takes the last
# part of the folder's name, and so would take another clone's for ours.
project=etl-$(printf %s "$PWD" | sha256sum | cut -c-8)
readonly project

# How the engine finds what belongs to the project.
readonly project_filter=label=com.docker.compose.project=$project

# Whom the services and the loader's jobs run as in the containers: the user who starts them and so may remove what they
# write. For root it is a user that the machine does not have.
SERVICE_USER=$(id -u):$(id -g)
((EUID != 0)) || SERVICE_USER=10001:10001
export SERVICE_USER

# Each of these redirects Docker Compose, to another file or project. DOCKER_HOST and DOCKER_CONTEXT stay: which engine
# to use is the user's choice.
unset "${!COMPOSE_@}"

# The lock on this folder, as the number of an open file; empty: not asked for yet.
folder_lock=

# die TEXT: ends the script with one line of what went wrong.
die() {
  echo "$(basename "$0"): $1" >&2
  exit 1
}

# ---- One script at a time

# lock_folder: takes the lock on this folder until the script ends, and fails if another script has it. Commands that
# last are started without it (folder_lock closed), so that none of them holds it longer than the script.
lock_folder() {
  local status=0
  [[ -n $folder_lock ]] || exec {folder_lock}<.
  flock --nonblock "$folder_lock" || status=$?
  ((status <= 1)) || die "the folder $PWD cannot be locked: see the message above"
  return "$status"
}

# take_over: takes the lock on this folder from a ./rerun.sh, which is stopped.
take_over() {
  local other
  until lock_folder; do
    if other=$(running rerun); then
      echo "Stopping ./rerun.sh, process $other ..."
      stop rerun TERM
    fi
    sleep 0.1
  done
}

# ---- Processes

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

# ---- Containers

# read_dotenv: takes the settings of docker-compose.yml from .env, as Compose would, unless the environment has them.
# Compose itself does not see that file: a COMPOSE_FILE or a DOCKER_HOST in it would lead it elsewhere.
read_dotenv() {
  local line name
  local setting='^[[:space:]]*(export[[:space:]]+)?(DWH_PORT|ETL_LOG_FORMAT|POSTGRES_VERSION)[[:space:]]*='
  local value="[[:space:]]*[\"']?([[:alnum:]._-]+)"
  local -A found=()
  [[ -e .env ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ $setting$value ]]; then found[${BASH_REMATCH[2]}]=${BASH_REMATCH[3]}; fi
  done <.env
  for name in "${!found[@]}"; do
    [[ -v $name ]] || export "$name=${found[$name]}"
  done
}
read_dotenv

# compose ARGUMENT...: Docker Compose for the containers of this folder: the engine's own command, or the older program.
compose() {
  local program=(docker compose)
  if ! docker compose version >/dev/null 2>&1; then
    program=(docker-compose)
    # It knows the variable DOCKER_HOST, but not this one.
    [[ -n ${DOCKER_HOST-} || -z ${DOCKER_CONTEXT-} ]] || program+=(--context "$DOCKER_CONTEXT")
  fi
  "${program[@]}" --file "$PWD/docker-compose.yml" --project-directory "$PWD" --project-name "$project" \
    --env-file "$PWD/database.env" "$@"
}

# engine_answers: whether there is a Docker engine that this user may use, with Compose.
engine_answers() {
  command -v docker >/dev/null && docker info >/dev/null 2>&1 && compose version >/dev/null 2>&1
}

# project_parts: prints the containers, the volume and the network of the project.
project_parts() {
  docker ps --all --quiet --filter "$project_filter"
  docker volume ls --quiet --filter "$project_filter"
  docker network ls --quiet --filter "$project_filter"
}

# clean_containers: removes the project's containers and their volume.
clean_containers() {
  local before
  engine_answers || return 0
  before=$(project_parts)
  [[ -n $before ]] || return 0
  compose down --volumes --remove-orphans --timeout "$GRACE" >/dev/null 2>&1 ||
    die "the containers could not be removed: see ./rerun.sh compose down --volumes"
  [[ $before == "$(project_parts)" ]] || echo "Removed the containers of the last run and their warehouse."
}

# ---- The folder data/

# need_own_data: ends the script if data/ is not there for it to remove: if it is another user's, or if a part of it is
# a link, since what that leads to would stay.
need_own_data() {
  local place
  if ((EUID != 0)) && [[ -e data && ! -O data ]]; then
    die "data/ belongs to the user $(stat -c %U data): run this as that user"
  fi
  for place in data data/{run,logs,postgres,events} data/events/inbox{,/users,/cards}; do
    [[ ! -L $place ]] ||
      die "$place is a link, to $(readlink "$place"), and what it leads to would stay: remove the link and try again"
  done
}

# remove_data: removes data/. The folder data/run goes last, since it names the process that works here.
remove_data() {
  local rest=(-mindepth 1 -not -path data/run -not -path 'data/run/*')
  local is_empty=false
  [[ -e data ]] || return 0
  [[ -n $(find data "${rest[@]}" -print -quit) ]] || is_empty=true
  { find data -xdev "${rest[@]}" -delete && rm -rf --one-file-system -- data; } ||
    die "data/ could not be removed whole: see the message above"
  $is_empty || echo "Removed data/: the events, the logs and the warehouse of the last run."
}

# clean: removes all that rerun.sh made, and ends what it started.
clean() {
  clean_containers
  stop_services
  stop_database
  remove_data
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  case "$#:${1-}" in
  0:)
    need_own_data
    take_over
    clean
    ;;
  1:-h | 1:--help) sed -n '2,5s/^# \{0,1\}//p' "$0" ;;
  *)
    echo "clean.sh: takes no arguments; see ./clean.sh --help" >&2
    exit 2
    ;;
  esac
fi
