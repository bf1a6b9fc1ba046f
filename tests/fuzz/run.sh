#!/usr/bin/env bash
# Fuzzes against a PostgreSQL of its own; see README.md.
#
#   tests/fuzz/run.sh                     both targets, a minute each
#   tests/fuzz/run.sh TARGET SECONDS      one target (bytes or events) for so long
#   tests/fuzz/run.sh TARGET FILE         one input again
#
# PG_BIN  folder of the PostgreSQL programs (default: the newest installed)
set -euo pipefail
cd "$(dirname "$0")/../.."

die() { echo "tests/fuzz/run.sh: $*" >&2; exit 1; }
command -v cargo-fuzz >/dev/null || die "install cargo-fuzz: cargo install cargo-fuzz"
programs=${PG_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)}
[[ -x $programs/postgres ]] || die "no PostgreSQL server is installed: install the package postgresql, or set PG_BIN"

# The server of the tests; it stops when its standard input, which this script holds open, ends. It takes its folder
# with it.
scratch=$(mktemp -d)
folder=$scratch/server
mkdir -p "$folder" "$scratch/inbox"/{users,cards}
echo not-a-secret >"$folder/password"
as_server=()
if ((EUID == 0)); then
  chmod 755 "$scratch"
  chown postgres: "$scratch" "$folder" "$folder/password"
  as_server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
start=$(<tests/loader/server.sh)
exec {server}> >(cd / && exec "${as_server[@]}" sh -euc "$start" server "$programs" "$folder" 5432)
trap 'exec {server}>&-; wait; rm -rf "$scratch"' EXIT
export ETL_FUZZ_DATABASE_URL="postgresql://postgres@/postgres?host=$folder"
cargo build --locked --quiet
for ((tries = 0; ; tries++)); do
  if DATABASE_URL=$ETL_FUZZ_DATABASE_URL target/debug/etl run --inbox "$scratch/inbox" 2>"$scratch/etl.log"; then break; fi
  ((tries < 60)) || die "PostgreSQL does not start: $(tail -n 1 "$scratch/etl.log")"
  sleep 0.5
done

# fuzz TARGET ARGUMENTS…: the sanitizers need another toolchain and find nothing, since there is no `unsafe` here.
fuzz() { RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$@"; }

# fuzz_for TARGET SECONDS
fuzz_for() {
  local corpus=tests/fuzz/corpus/$1
  mkdir -p "$corpus"
  local limits=(-max_total_time="$2" -timeout=60)
  case $1 in
    bytes) fuzz bytes "$corpus" tests/fuzz/seeds/bytes -- "${limits[@]}" -max_len=16384 -dict=tests/fuzz/json.dict ;;
    events) fuzz events "$corpus" -- "${limits[@]}" -max_len=4096 -len_control=0 ;;
    *) die "there are the targets bytes and events, and no $1" ;;
  esac
}

if (($# == 0)); then
  fuzz_for bytes 60
  fuzz_for events 60
elif [[ -f ${2-} ]]; then
  ETL_FUZZ_BATCH=1 fuzz "$1" "$2"
else
  fuzz_for "$1" "${2:-60}"
fi
