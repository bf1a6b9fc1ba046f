#!/usr/bin/env bash
# Makes the package for Debian, target/debian/etl_VERSION_ARCHITECTURE.deb. What is missing is installed: cargo-deb, into
# target/tools.
#
# usage: src/package/build.sh
#
# Its description is in Cargo.toml (package.metadata.deb). The manual pages and the completions come from the program.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly pages=target/package # where Cargo.toml has it
PATH=$PATH:$PWD/target/tools/bin

command -v cargo-deb >/dev/null || cargo install --locked --quiet --root target/tools cargo-deb
# Exported for cargo too, whose own settings may have another folder.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}
cargo build --release --locked
etl=$CARGO_TARGET_DIR/release/etl

rm -rf "$pages"
mkdir -p "$pages"/{man,completions}
# page NAME WORD...: writes the manual page of a command and those of the commands below it.
page() {
  local name=$1 below
  shift
  "$etl" man "$@" | gzip -9n >"$pages/man/$name.1.gz"
  while read -r below; do
    page "$name-$below" "$@" "$below"
  done < <("$etl" "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' | grep -vx help)
}
page etl
"$etl" completions bash >"$pages/completions/etl"
"$etl" completions zsh >"$pages/completions/_etl"
"$etl" completions fish >"$pages/completions/etl.fish"
cargo deb --no-build --no-strip --locked --output target/debian/
