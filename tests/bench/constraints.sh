#!/usr/bin/env bash
# What the constraints of the dimensions cost, next to other ways of keeping timelines right: for each way, the bulk
# insert of all versions with its commit, late-arriving events that split versions, and what it refuses.
#
#   tests/bench/constraints.sh           in a PostgreSQL of its own, with 100,000 card events
#   tests/bench/constraints.sh URL       in a database with a filled warehouse.dim_card; makes the schema bench there
#
# PG_BIN  folder of the PostgreSQL programs (default: the newest installed)
# ROUNDS  alternating measurements of each way (default 7); medians are shown
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-7}
late=1000
ways=(nothing period start end current next chain range range_deferred range_chain)

# definition WAY: what the table has besides its primary key.
definition() {
  local period='check (valid_from < valid_to)'
  local start='unique (card_id, valid_from)'
  local next="foreign key (card_id, valid_to) references bench.$1 (card_id, valid_from) deferrable initially deferred"
  local range='exclude using gist (card_id with =, tstzrange(valid_from, valid_to) with &&)'
  case $1 in
    nothing | end | current) ;;
    period) echo ", $period" ;;
    start) echo ", $start" ;;
    next) echo ", $start, $next" ;;
    chain) echo ", $period, $start, $next" ;;
    range) echo ", $range" ;;
    range_deferred) echo ", $range deferrable initially deferred" ;;
    range_chain) echo ", $period, $start, $next, $range" ;;
  esac
}

describe() {
  case $1 in
    nothing) echo 'the primary key alone' ;;
    period) echo '+ check of the period' ;;
    start) echo '+ unique start' ;;
    end) echo '+ unique end' ;;
    current) echo '+ unique current version' ;;
    next) echo '+ unique start, end refers to a start' ;;
    chain) echo 'all of these: as in the warehouse' ;;
    range) echo 'exclusion of overlapping ranges' ;;
    range_deferred) echo 'the same, deferred to the commit' ;;
    range_chain) echo 'exclusion + period, start, next' ;;
  esac
}

sql() { psql -XqAt -v ON_ERROR_STOP=1 "$url" "$@"; }

# timed FILE: milliseconds that the statements of a file take.
timed() {
  { echo '\timing on'; cat "$1"; } | psql -XqAt -v ON_ERROR_STOP=1 "$url" |
    awk '/^Time:/ { sum += $2 } END { print sum }'
}

scratch=$(mktemp -d)
if [[ -n ${1-} ]]; then
  url=$1
  trap 'rm -rf "$scratch"' EXIT
else
  programs=${PG_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)}
  as_server=()
  if ((EUID == 0)); then
    as_server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  fi
  mkdir "$scratch/server"
  chmod 755 "$scratch"
  if ((EUID == 0)); then chown postgres: "$scratch/server"; fi
  in_server() { (cd "$scratch/server" && "${as_server[@]}" "$programs/$1" "${@:2}" >>"$scratch/log" 2>&1); }
  in_server initdb -D "$scratch/server/data" -U postgres -E UTF8 --no-locale -A trust
  trap 'in_server pg_ctl -D "$scratch/server/data" -m immediate stop; rm -rf "$scratch"' EXIT
  in_server pg_ctl -D "$scratch/server/data" -w -l "$scratch/server/log" \
    -o "-k $scratch/server -c listen_addresses= -c max_wal_size=4GB -c shared_buffers=256MB" start
  url="postgresql://postgres@/postgres?host=$scratch/server"
  cargo build --locked --quiet --workspace
  target/debug/cards --seed 7 --events 100000 --rate inf --events-dir "$scratch/inbox/cards" 2>"$scratch/cards.log"
  DATABASE_URL=$url target/debug/etl run --source cards --inbox "$scratch/inbox" 2>"$scratch/etl.log"
fi

columns='card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, event_id'
sql -c "set client_min_messages = error" -c "drop schema if exists bench cascade" -c "create schema bench" \
  -c "create extension if not exists btree_gist"
sql -c "create table bench.version as select card_key, $columns from warehouse.dim_card" \
  -c "create table bench.late as
      select distinct on (card_id) card_id, card_key, valid_to, valid_from + (valid_to - valid_from) / 2 as split_at
      from bench.version where valid_to is not null order by card_id, valid_from" \
  -c "delete from bench.late where card_id not in (select card_id from bench.late order by card_id limit $late)" \
  -c "create table bench.result (way text, work text, milliseconds float8)" -c "analyze"
for way in "${ways[@]}"; do
  sql -c "create table bench.$way (
    like warehouse.dim_card including identity including generated, primary key (card_id, card_key)$(definition "$way")
  )"
  if [[ $way == end || $way == chain ]]; then
    sql -c "create unique index on bench.$way (card_id, valid_to) where valid_to is not null"
  fi
  if [[ $way == current || $way == chain ]]; then
    sql -c "create unique index on bench.$way (card_id) where valid_to is null"
  fi
  cat >"$scratch/$way.insert" <<SQL
insert into bench.$way (card_key, $columns) overriding system value
select card_key, $columns from bench.version order by card_id, valid_from;
SQL
  cat >"$scratch/$way.split" <<SQL
begin;
update bench.$way as version set valid_to = late.split_at from bench.late
where version.card_id = late.card_id and version.card_key = late.card_key;
insert into bench.$way ($columns)
select version.${columns//, /, version.} from (
  select card_id, user_id, created_by_name, not active as active, created_at, updated_at,
    late.split_at as valid_from, late.valid_to, event_id
  from bench.late inner join bench.$way using (card_id, card_key)
) as version;
commit;
SQL
done

echo "$(sql -c 'select count(*) from bench.version') versions of $(sql -c 'select count(distinct card_id) from bench.version') cards," \
  "$(sql -c 'select count(*) from bench.late') of them split; medians of $rounds; PostgreSQL $(sql -c 'show server_version')"
# The first round warms up.
for ((round = 0; round <= rounds; round++)); do
  if ((round == 1)); then sql -c 'truncate bench.result'; fi
  for way in "${ways[@]}"; do
    sql -c "truncate bench.$way restart identity" -c "alter table bench.$way alter card_key restart with 10000000" \
      -c checkpoint
    sql -c "insert into bench.result values ('$way', 'insert', $(timed "$scratch/$way.insert"))"
    sql -c "analyze bench.$way" -c checkpoint
    sql -c "insert into bench.result values ('$way', 'split', $(timed "$scratch/$way.split"))"
  done
done

# refuses WAY SQL: whether statements that break a timeline fail, tried and rolled back either way.
refuses() {
  if psql -Xq -v ON_ERROR_STOP=1 "$url" -c "begin; $2; set constraints all immediate; rollback" >/dev/null 2>&1; then
    echo no
  else
    echo yes
  fi
}
median() {
  sql -c "select round(percentile_cont(0.5) within group (order by milliseconds)::numeric, $3)
          from bench.result where way = '$1' and work = '$2'"
}
key=$(sql -c 'select card_id from bench.version group by 1 having count(*) > 2 limit 1')
printf '%-38s %9s %6s %9s %6s %8s  %s\n' '' 'insert ms' ratio 'split ms' ratio 'index MB' 'refuses: overlap, gap, two currents, empty period'
base=$(median nothing insert 1) base_split=$(median nothing split 1)
for way in "${ways[@]}"; do
  add() {
    echo "insert into bench.$way ($columns) select ${columns/valid_from, valid_to/$1} from bench.$way
          where card_id = $key order by valid_from limit 1"
  }
  insert=$(median "$way" insert 1) split=$(median "$way" split 1)
  printf '%-38s %9s %6.2f %9s %6.2f %8s  %-7s %-4s %-12s %s\n' "$(describe "$way")" \
    "$insert" "$(bc -l <<<"$insert / $base")" "$split" "$(bc -l <<<"$split / $base_split")" \
    "$(sql -c "select round(pg_indexes_size('bench.$way') / 1048576.0, 1)")" \
    "$(refuses "$way" "$(add "valid_from + (valid_to - valid_from) / 2, valid_to")")" \
    "$(refuses "$way" "$(add "valid_from - interval '2 s', valid_from - interval '1 s'")")" \
    "$(refuses "$way" "$(add "valid_from - interval '2 s', null")")" \
    "$(refuses "$way" "$(add "valid_from - interval '2 s', valid_from - interval '2 s'")")"
done
sql -c 'set client_min_messages = error' -c 'drop schema bench cascade'
