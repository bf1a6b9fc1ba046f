#!/usr/bin/env bash
# Builds the programs and runs everything at once: a private PostgreSQL, the two services that write events, `etl run`
# every 5 seconds and `etl archive` every hour. Ctrl-C stops it all and shows what is in the warehouse.
#
# usage: ./rerun.sh [--keep] [--for TIME] [--docker | --native] [--yes]
#        ./rerun.sh compose ARGUMENT...   Docker Compose for the containers, such as: compose logs --follow etl
#
#   --keep      go on with the data of the last run; without it every run starts fresh
#   --for TIME  stop by itself after a time such as 30s or 2m
#   --docker    run in containers; so it does by itself where a Docker engine answers
#   --native    run on this machine, without containers
#   --yes       install what is missing without asking: Rust and Debian's packages
#
# All that it makes is its containers, their volume and data/; ./clean.sh removes it. While one runs, another one in the
# same folder refuses to start. The warehouse's user and password are in database.env. With containers, DWH_PORT is its
# port here (default 54320) and POSTGRES_VERSION its major version (default 18), and ./rerun.sh compose finds them,
# which plain `docker compose` does not: their project has a name of its own. Without, PostgreSQL's programs are looked
# for in the folder PG_BIN, in /usr/lib/postgresql, and with pg_config.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
source ./clean.sh
source src/package/requirements.sh

# Seconds from the start of one load to the start of the next.
readonly LOAD_EVERY=5

# Seconds from the start of one archive to the start of the next.
readonly ARCHIVE_EVERY=3600

# Seconds that PostgreSQL gets to answer. Recovery after a crash is what can take long.
readonly DATABASE_PATIENCE=60

# The first port to try, and how many: not PostgreSQL's own, which may be taken by a server that is none of our business.
readonly FIRST_PORT=54320 PORTS=100

# The oldest major version of PostgreSQL that the warehouse runs on.
readonly OLDEST_POSTGRES=14

# Where cargo puts the programs. Exported for cargo too, whose own settings may have another folder.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}

keep=false
agreed=false
way= # docker or native; empty: whichever there is
duration=
readonly inbox=data/events/inbox archive=data/events/archive programs=$CARGO_TARGET_DIR/release
folder_is_ours=false
data_is_ours=false
database_up=false
child= # the process that attend waits for
declare -A services=() # the number of each service's process; empty: the service has ended

usage() {
  sed -n '2,19s/^# \{0,1\}//p' rerun.sh
}

# misuse TEXT: ends the script with what is wrong about its arguments.
misuse() {
  echo "rerun.sh: $1; see ./rerun.sh --help" >&2
  exit 2
}

# seconds TIME: prints a time such as 30s or 2m as a number of seconds.
seconds() {
  [[ $1 =~ ^([1-9][0-9]{0,5})([sm])$ ]] || return 1
  local unit=1
  [[ ${BASH_REMATCH[2]} == s ]] || unit=60
  echo $((BASH_REMATCH[1] * unit))
}

# attend COMMAND...: runs a command that a signal to this script ends at once. Bash acts on a signal only after a
# command in the foreground has ended. While it waits, it would also print a line about each process in the background
# that a signal has killed.
attend() {
  local status=0
  "$@" {folder_lock}<&- &
  child=$!
  wait "$child" 2>/dev/null || status=$?
  child=
  return "$status"
}

# take_folder: takes this folder for this script alone, or ends the script if another one runs.
take_folder() {
  local other
  if ! lock_folder; then
    if other=$(running rerun); then
      die "already running, as process $other: stop that first, with Ctrl-C or kill $other"
    fi
    die "another ./rerun.sh or ./clean.sh works in this folder: wait for its end"
  fi
  folder_is_ours=true
  sign_folder
}

# sign_folder: names this process to another ./rerun.sh and ./clean.sh.
sign_folder() {
  mkdir -p data/run
  remember rerun $$
}

# leave_folder: takes the name away, and the folders that were made for it alone.
leave_folder() {
  $folder_is_ours || return 0
  rm -f data/run/rerun.pid
  rmdir data/run data 2>/dev/null || true
}

# refuse_processes: ends the script if processes of a killed ./rerun.sh still run.
refuse_processes() {
  local name other
  for name in postgres users cards; do
    other=$(running "$name") || continue
    die "$name of a killed ./rerun.sh still runs, as process $other: ./rerun.sh --native --keep goes on with its data, \
and ./clean.sh removes everything"
  done
}

# refuse_containers: ends the script if containers of this folder run.
refuse_containers() {
  engine_answers || return 0
  [[ -z $(docker ps --quiet --filter "$project_filter") ]] ||
    die "containers of this folder run: ./rerun.sh --docker --keep goes on with their data, ./rerun.sh compose down stops \
them, and ./clean.sh removes everything"
}

# make_data: makes data/, for the eyes of this user alone. PostgreSQL's own user passes through the outer folders.
make_data() {
  umask 077
  mkdir -p data/{run,logs} "$inbox"/{users,cards} "$archive"
  chmod 700 data/logs data/events
  chmod 711 data data/run
}

# end_with FUNCTION: makes the script end with that function, however it ends.
end_with() {
  # shellcheck disable=SC2064 # the function is known now
  trap "$1" EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
}

# begin_end STATUS: begins the end of the script: signals no longer interrupt it, and the process that attend waits for
# is stopped. If data/ is not this run's, the script ends here with that status.
begin_end() {
  set +e
  trap '' INT TERM HUP PIPE
  if [[ -n $child ]]; then
    kill "$child"
    wait "$child"
  fi 2>/dev/null
  if ! $data_is_ours; then
    leave_folder
    exit "$1"
  fi
}

# how_to_go_on PLACE QUERY: prints what can be done with the data that stays in a place.
how_to_go_on() {
  printf '\nThe data stays in %s.\n' "$1"
  echo "  go on with it:  ./rerun.sh --keep"
  echo "  query it:       ./rerun.sh --keep, and in another terminal"
  echo "                  $2"
  echo "  start fresh:    ./rerun.sh"
  echo "  remove it:      ./clean.sh"
}

# ---- PostgreSQL

# read_settings: takes the warehouse's user, password and database from database.env, literally, as Docker does.
read_settings() {
  local line name
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ ^POSTGRES_(USER|PASSWORD|DB)= ]]; then export "${line?}"; fi
  done <database.env
  [[ -n ${POSTGRES_USER-} && -n ${POSTGRES_PASSWORD-} && -n ${POSTGRES_DB-} ]] ||
    die "database.env must set POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB"
  # Those of another server, which would otherwise win over the settings above.
  unset DATABASE_URL
  for name in "${!PG@}"; do
    [[ $name == PG_BIN ]] || unset "$name"
  done
}

# postgres_folders: prints the folders that may hold PostgreSQL's programs, best first.
postgres_folders() {
  if [[ -n ${PG_BIN-} ]]; then
    echo "$PG_BIN"
    return
  fi
  printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
  pg_config --bindir 2>/dev/null || true
}

# major_version FOLDER: prints the major version of the server in a folder of programs.
major_version() {
  local version
  version=$("$1/postgres" --version 2>/dev/null) || return 1
  [[ $version =~ \)\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

# find_postgres: sets postgres_bin and postgres_version, to those that made the data if it is kept. Fails if there are
# none.
find_postgres() {
  local folder wanted=
  if $keep && [[ -e data/postgres ]]; then wanted=$(<data/postgres/PG_VERSION); fi
  while IFS= read -r folder; do
    [[ -x $folder/initdb && -x $folder/psql ]] || continue
    postgres_version=$(major_version "$folder") || continue
    ((postgres_version >= OLDEST_POSTGRES)) || continue
    [[ -z $wanted || $postgres_version == "$wanted" ]] || continue
    postgres_bin=$folder
    return
  done < <(postgres_folders)
  [[ -z $wanted ]] ||
    die "data/ was made by PostgreSQL $wanted, which is not here: install it, or start fresh without --keep"
  return 1
}

# need_postgres: finds PostgreSQL's programs, or installs them where that is this script's to do.
need_postgres() {
  find_postgres && return
  [[ -z ${PG_BIN-} ]] || die "PG_BIN=$PG_BIN holds no PostgreSQL $OLDEST_POSTGRES or later (postgres, initdb, psql)"
  if ((EUID == 0)) && [[ -e /etc/debian_version ]]; then
    install_packages postgresql
    find_postgres && return
  fi
  die "no PostgreSQL server, $OLDEST_POSTGRES or later: install the package postgresql, or set PG_BIN to its folder"
}

# choose_postgres_user: sets as_postgres to the words before a command that make it run as the user of the cluster.
# PostgreSQL refuses to run as root.
choose_postgres_user() {
  local user=postgres
  as_postgres=()
  ((EUID == 0)) || return 0
  if [[ -e data/postgres ]]; then
    user=$(stat -c %U data/postgres)
  elif ! id postgres >/dev/null 2>&1; then
    user=nobody
  fi
  postgres_owner=$user:$(id -gn "$user")
  as_postgres=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
  # The way to data/ may lead through a folder that is root's alone, such as /root.
  "${as_postgres[@]}" stat "$PWD/data/." >/dev/null 2>&1 ||
    as_postgres+=(--inh-caps=+dac_override --ambient-caps=+dac_override)
  "${as_postgres[@]}" stat "$PWD/data/." >/dev/null ||
    die "the user $user, whom PostgreSQL runs as, cannot reach $PWD/data: move the project to a folder open to all"
}

# make_cluster: makes a database cluster of our own. It gets its name once it is whole.
make_cluster() {
  local new=data/postgres.new password=data/run/password
  rm -rf "$new"
  mkdir -m 700 "$new"
  (umask 077 && echo "$POSTGRES_PASSWORD" >"$password")
  if ((EUID == 0)); then chown "$postgres_owner" "$new" "$password"; fi
  attend "${as_postgres[@]}" "$postgres_bin/initdb" --pgdata="$PWD/$new" --username="$POSTGRES_USER" \
    --pwfile="$PWD/$password" --auth=scram-sha-256 --encoding=UTF8 --no-locale >data/logs/initdb.log 2>&1 ||
    die "PostgreSQL could not make its files: see data/logs/initdb.log"
  rm -f "$password"
  mv "$new" data/postgres
}

# start_database: starts PostgreSQL on a port of this machine alone, and makes the warehouse's database. The first port
# that its server can take is the one: a port that is free at a glance can be another clone's an instant later.
start_database() {
  [[ -e data/postgres ]] || make_cluster
  export DB_HOST=127.0.0.1 DB_PORT=$FIRST_PORT
  until start_server; do
    ((DB_PORT += 1))
    ((DB_PORT < FIRST_PORT + PORTS)) || die "the ports $FIRST_PORT to $((DB_PORT - 1)) are all taken"
  done
  create_database ||
    die "data/postgres was made with other settings than database.env has: put those back, or start without --keep"
  database_up=true
}

# start_server: starts PostgreSQL on the port and waits until it answers. Fails if another program has the port.
start_server() {
  local log=data/logs/postgres.log
  local before server deadline=$((SECONDS + DATABASE_PATIENCE))
  before=$(stat -c %s "$log" 2>/dev/null) || before=0
  # A session of its own, so that a Ctrl-C in the terminal does not reach it before the warehouse has been shown. No
  # socket file: the path to it could be longer than the 107 bytes that a socket's may have.
  (cd / && exec setsid "${as_postgres[@]}" "$postgres_bin/postgres" -D "$OLDPWD/data/postgres" \
    -c listen_addresses="$DB_HOST" -c port="$DB_PORT" -c unix_socket_directories= -c logging_collector=off) \
    >>"$log" 2>&1 {folder_lock}<&- &
  server=$!
  # Bash is not to print a line about its end.
  disown "$server"
  remember postgres "$server"
  until database_ready "$server"; do
    if ! running postgres >/dev/null; then
      ! tail -c "+$((before + 1))" "$log" | grep -q 'could not create any TCP/IP sockets' || return 1
      die "PostgreSQL did not start: see the end of $log"
    fi
    ((SECONDS <= deadline)) || die "PostgreSQL did not answer within $DATABASE_PATIENCE s: see the end of $log"
    attend sleep 0.1
  done
}

# database_ready PID: whether the server of that process accepts connections. Asked of its own file: on the port,
# another server might answer.
database_ready() {
  local lines
  mapfile -t lines 2>/dev/null <data/postgres/postmaster.pid || return 1
  [[ ${lines[0]-} == "$1" && ${lines[7]-} == ready* ]]
}

# create_database: makes the warehouse's database unless it is there.
create_database() {
  PGPASSWORD=$POSTGRES_PASSWORD "$postgres_bin/psql" --host="$DB_HOST" --port="$DB_PORT" --username="$POSTGRES_USER" \
    --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$POSTGRES_DB" <<'SQL'
select format('create database %I', :'name')
where not exists (select from pg_database where datname = :'name') \gexec
SQL
}

# ---- The programs

# build: builds the three programs.
build() {
  echo "Building (the first time takes some minutes) ..."
  # One package at a time: built together, crates that both need would take on the features of both, and `cargo build`
  # by hand would compile `etl` again.
  attend cargo build --release --locked || die "the build of etl failed; the compiler's messages are above"
  attend cargo build --release --locked --package services || die "the build of the services failed; the compiler's messages are above"
}

# start_service NAME: starts a service that writes events.
start_service() {
  EVENTS_DIR=$inbox/$1 LOGS_DIR=data/logs "$programs/$1" 2>>"data/logs/$1.log" >&2 {folder_lock}<&- &
  remember "$1" $!
  services[$1]=$!
}

# restart_services: starts each service again that has ended, a pause later, but for users, which is done once it has
# written them all. A service makes its folder if there is none: it stays down while the inbox has been moved away, which
# could not come back to its place.
restart_services() {
  local name status
  for name in "${!services[@]}"; do
    ! running "$name" >/dev/null || continue
    if [[ -z ${services[$name]} ]]; then
      [[ ! -d $inbox/$name ]] || start_service "$name"
      continue
    fi
    status=0
    wait "${services[$name]}" 2>/dev/null || status=$?
    if [[ $name == users && $status == 0 ]]; then
      unset "services[$name]"
    else
      echo "rerun.sh: the $name service ended with status $status: see data/logs/$name.log; it starts again in\
 $LOAD_EVERY s, if $inbox/$name is there" >&2
      services[$name]=
    fi
  done
}

# load_repeatedly: loads the events of the services, and archives their files, until the time is over.
load_repeatedly() {
  local next=$SECONDS end=$((SECONDS + ${duration:-0})) next_archive=$((SECONDS + ARCHIVE_EVERY)) status
  while [[ -z $duration ]] || ((SECONDS < end)); do
    status=0
    attend "$programs/etl" run || status=$?
    running postgres >/dev/null || die "PostgreSQL has ended: see the end of data/logs/postgres.log"
    ((status == 0)) || echo "rerun.sh: etl run ended with status $status; the next one is due within $LOAD_EVERY s" >&2
    if ((SECONDS >= next_archive)); then
      ((next_archive += ARCHIVE_EVERY))
      attend "$programs/etl" archive || echo "rerun.sh: etl archive failed; the next one is due in an hour" >&2
    fi
    restart_services
    ((next += LOAD_EVERY))
    ((next >= SECONDS)) || next=$SECONDS
    if [[ -n $duration ]] && ((next > end)); then next=$end; fi
    attend sleep $((next > SECONDS ? next - SECONDS : 0))
  done
}

# ---- From start to stop

# how_to_query: prints the command that opens the warehouse, without the password, which is not for logs.
how_to_query() {
  local psql=psql
  command -v psql >/dev/null || psql=$postgres_bin/psql
  psql+=" postgresql://$POSTGRES_USER@$DB_HOST:$DB_PORT/$POSTGRES_DB"
  echo "PGPASSWORD=\$(sed -n s/^POSTGRES_PASSWORD=//p database.env) $psql"
}

# stop_all: ends everything, and prints what is in the warehouse. Runs however the script ends.
stop_all() {
  local status=$?
  begin_end "$status"
  stop_services
  if $database_up && running postgres >/dev/null; then
    printf '\nStopped. In the warehouse now:\n\n'
    "$programs/etl" status
  fi
  stop_database
  rm -f data/run/password
  leave_folder
  if $database_up; then
    how_to_go_on "data/" "$(how_to_query)"
  fi
  exit "$status"
}

# take_data: makes data/ ready for this run, emptied unless it is kept.
take_data() {
  if $keep; then
    [[ ! -e $inbox ]] || echo "Going on with the data of the last run."
    stop_services
    stop_database
  else
    [[ ! -e $inbox ]] || echo "Starting fresh; to go on with the last run's data, use ./rerun.sh --keep."
    clean
    sign_folder
  fi
  make_data
  data_is_ours=true
}

# run_native: runs everything on this machine.
run_native() {
  end_with stop_all
  refuse_containers
  read_settings
  # Without cargo there is no Docker either, or it was not wanted.
  if ! find_cargo; then
    if find_postgres; then install_rust "$agreed"; else install_rust "$agreed" postgresql; fi
  fi
  need_postgres
  build
  take_data
  choose_postgres_user
  echo "Starting PostgreSQL $postgres_version in data/postgres ..."
  start_database
  start_service users
  start_service cards
  echo "Running: events arrive in $inbox, and every $LOAD_EVERY seconds \`etl run\` loads the new ones."
  echo "  query:  $(how_to_query)"
  echo "  stop:   ${duration:+by itself in $duration s, or }Ctrl-C"
  export ETL_INBOX=$inbox ETL_ARCHIVE=$archive
  load_repeatedly
}

# ---- With containers

# quietly COMMAND...: runs a command whose output matters only if it fails. Meanwhile a terminal shows its newest line
# and how long it takes.
quietly() {
  local output began=$SECONDS status=0
  output=$(mktemp)
  "$@" >"$output" 2>&1 {folder_lock}<&- &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    show_line "  $((SECONDS - began)) s  $(newest_line "$output")"
    sleep 0.2
  done
  show_line ""
  wait "$child" || status=$?
  child=
  ((status == 0)) || tail -n 15 "$output" >&2
  rm -f "$output"
  return "$status"
}

# newest_line FILE: prints the last line of a file that says something, without colours.
newest_line() {
  tail -n 5 "$1" | sed -n 's/\x1b\[[0-9;]*m//g; /[^[:space:]]/h; $!d; x; p' | tr -d '[:cntrl:]'
}

# show_line TEXT: writes a text over the terminal's last line, if there is a terminal.
show_line() {
  [[ ! -t 1 ]] || printf '\r\e[K%.79s' "$1"
}

# have_image NAME: whether the engine has an image or can pull it.
have_image() {
  docker image inspect "$1" >/dev/null 2>&1 && return
  echo "Pulling the image $1 ..."
  quietly docker pull "$1" 2>/dev/null
}

# have_base_images: whether all that the Dockerfile and the compose file build on is there.
have_base_images() {
  local image
  while IFS= read -r image; do
    have_image "$image" || return 1
  done < <(sed -n 's/^ARG [A-Z]*_IMAGE=//p' Dockerfile; echo "postgres:${POSTGRES_VERSION:-18}-bookworm")
}

# follow_log: shows the sidecar's log, also past a restart of it.
follow_log() {
  local since=0
  while :; do
    docker logs --follow --since "$since" "$(compose ps --quiet etl)" || true
    since=$(date +%s)
    sleep 1
  done
}

# stop_containers: ends the containers, and prints what is in the warehouse. Runs however the script ends.
stop_containers() {
  local status=$?
  begin_end "$status"
  if $database_up; then
    printf '\nStopped. In the warehouse now:\n\n'
    compose exec -T etl etl status
  fi
  compose down --timeout 5 >/dev/null 2>&1
  leave_folder
  if $database_up; then
    how_to_go_on "the volume of the warehouse and in data/" "$(compose_psql)"
  fi
  exit "$status"
}

# prune_images: removes what newer builds have replaced. The newest build stage stays, as the classic builder's cache.
prune_images() {
  docker image ls --quiet --filter dangling=true --filter label=users-cards-etl.stage=build | tail -n +2 |
    xargs --no-run-if-empty docker image rm
  docker image prune --force --filter label=users-cards-etl.stage=programs
}

# compose_psql: prints the command that opens the warehouse.
compose_psql() {
  echo "./rerun.sh compose exec dwh psql -U $POSTGRES_USER $POSTGRES_DB"
}

# run_docker: runs everything in containers.
run_docker() {
  end_with stop_containers
  read_settings
  $keep || refuse_containers
  # The image is built without the history that knows it.
  ETL_COMMIT=$(git rev-parse --verify --quiet HEAD 2>/dev/null) || true
  export ETL_COMMIT
  echo "Building the image (the first time takes some minutes) ..."
  # One of the services that share the image: all three would build it in turn.
  quietly compose build etl || die "the build failed; the compiler's messages are above"
  take_data
  if ((EUID == 0)); then chown -R "$SERVICE_USER" data/events data/logs; fi
  echo "Starting the warehouse, the services and the loader ..."
  if ! quietly compose up --detach; then
    compose logs --no-color --tail 10 dwh migrate login >&2
    die "they did not start: see the messages above; if a port is taken, DWH_PORT sets another"
  fi
  database_up=true
  prune_images >/dev/null 2>&1 {folder_lock}<&- || true
  echo "Running: events arrive in $inbox, and every $LOAD_EVERY seconds cron's \`etl run\` loads the new ones."
  echo "  query:  $(compose_psql)"
  echo "  by hand:  ./rerun.sh compose exec --user etl etl etl status"
  echo "  stop:   ${duration:+by itself in $duration s, or }Ctrl-C"
  follow_log {folder_lock}<&- &
  child=$!
  if [[ -n $duration ]]; then
    sleep "$duration" {folder_lock}<&- &
    wait $!
  else
    wait "$child"
  fi
}

if [[ ${1-} == compose ]]; then
  shift
  compose "$@"
  exit
fi
while (($# > 0)); do
  case $1 in
  --keep) keep=true ;;
  --docker | --native) way=${1#--} ;;
  --yes) agreed=true ;;
  --for)
    duration=$(seconds "${2-}") || misuse "--for takes a time such as 30s or 2m"
    shift
    ;;
  --for=*) duration=$(seconds "${1#*=}") || misuse "--for takes a time such as 30s or 2m" ;;
  -h | --help)
    usage
    exit
    ;;
  *) misuse "unknown argument $1" ;;
  esac
  shift
done
need_own_data
end_with leave_folder
take_folder
$keep || refuse_processes
if [[ $way == docker ]] && ! engine_answers; then
  die "no Docker engine with Compose answers here: start it, or use --native"
elif [[ $way != native ]] && engine_answers; then
  if have_base_images; then
    run_docker
    exit
  fi
  [[ $way != docker ]] || die "the base images are neither here nor to be pulled: see docker pull debian:bookworm-slim"
  echo "The base images are neither here nor to be pulled: going on without containers."
fi
run_native
