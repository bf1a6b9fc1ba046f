# What ./rerun.sh and tests/run.sh need on a machine, and how it is installed. Both source this file, with their own
# function `die`, which ends the script with a text.

# Where rustup's installer is.
readonly RUSTUP=https://static.rust-lang.org/rustup/rustup-init.sh

# find_cargo: finds cargo, also where rustup has just put it and no new shell was opened since. Fails if there is none.
find_cargo() {
  PATH=$PATH:${CARGO_HOME:-${HOME-}/.cargo}/bin
  command -v cargo >/dev/null
}

# has_package NAME: whether Debian's package is installed.
has_package() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# install_packages NAME...: installs Debian's packages, as root or with sudo. PostgreSQL's would make and start a cluster
# that nobody asked for, and PgBouncer's would start a pooler.
install_packages() {
  local as_root=() settings=/etc/postgresql-common/createcluster.d/etl.conf policy=/usr/sbin/policy-rc.d status=0
  ((EUID == 0)) || as_root=(sudo)
  echo "Installing Debian's packages $* ..."
  "${as_root[@]}" mkdir -p "${settings%/*}"
  echo 'create_main_cluster = false' | "${as_root[@]}" tee "$settings" >/dev/null
  if [[ -e $policy ]]; then
    policy=
  else
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
  fi
  { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$@"; } >/dev/null || status=$?
  "${as_root[@]}" rm -f "$settings" ${policy:+"$policy"}
  "${as_root[@]}" rmdir --ignore-fail-on-non-empty "${settings%/*}"
  ((status == 0)) || die "the packages $* could not be installed: see apt-get's message above"
}

# install_rust AGREED PACKAGE...: installs Rust, a linker for it, and Debian's packages that are missing: at once if
# AGREED is true, or if somebody at the terminal agrees. Otherwise it ends the script with what it would install.
install_rust() {
  local agreed=$1 package answer missing=()
  shift
  command -v apt-get >/dev/null && { ((EUID == 0)) || command -v sudo >/dev/null; } ||
    die "cargo is missing: install Rust (https://rustup.rs), a C compiler and PostgreSQL 14 or later"
  for package in ca-certificates curl gcc libc6-dev "$@"; do
    has_package "$package" || missing+=("$package")
  done
  echo "Rust (cargo) is missing. To go on without containers, this installs:"
  echo "  Rust, by rustup's installer, into ${RUSTUP_HOME:-~/.rustup} and ${CARGO_HOME:-~/.cargo}: $RUSTUP"
  ((${#missing[@]} == 0)) || echo "  Debian's packages ${missing[*]}"
  if ! $agreed; then
    [[ -t 0 && -t 1 ]] || die "nothing is installed: agree with --yes, or install it or Docker by hand"
    read -rp "Install it? [y/N] " answer
    [[ $answer == [yY]* ]] || die "nothing is installed"
  fi
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
  echo "Installing Rust ..."
  curl --proto '=https' --tlsv1.2 --silent --show-error --fail "$RUSTUP" | sh -s -- -y --quiet --profile minimal ||
    die "Rust could not be installed: see the message above"
  find_cargo || die "rustup has not installed cargo where it should: see ${CARGO_HOME:-~/.cargo}/bin"
}
