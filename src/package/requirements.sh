# What ./rerun.sh and tests/run.sh need on a machine, and how it is installed. Both source this file, with their own
# function `die`, which ends the script with a text.

# Where rustup's installer is.
readonly RUSTUP=https://static.rust-lang.org/rustup/rustup-init.sh

# What keeps PostgreSQL's packages from making a cluster, and any package from starting its services.
readonly CLUSTER_SETTINGS=/etc/postgresql-common/createcluster.d/etl.conf SERVICE_POLICY=/usr/sbin/policy-rc.d

# The line by which a policy is recognised that a killed script has left behind.
readonly POLICY_MARK="# of etl, while it installs packages"

# least_rust: prints the least version of Rust, as Cargo.toml has it. Only who builds something has that file.
least_rust() { sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml; }

# find_cargo: finds a cargo that builds the programs, also where rustup has just put it and no new shell was opened
# since. A distribution's own may be too old. Fails if there is none.
find_cargo() {
  is_cargo_new_enough && return
  PATH=${CARGO_HOME:-${HOME-}/.cargo}/bin:$PATH
  is_cargo_new_enough
}

# is_cargo_new_enough: whether the first cargo on the PATH is of the least version of Rust or a later one.
is_cargo_new_enough() {
  local version
  version=$(cargo --version 2>/dev/null) || return 1
  printf '%s\n' "$(least_rust)" "${version#cargo }" | sort --check=quiet --version-sort
}

# has_package NAME: whether Debian's package is installed.
has_package() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# as_root COMMAND...: runs a command as root.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# keep_services_off: makes the settings by which packages start no service: PostgreSQL's would make and start a cluster
# that nobody asked for, and PgBouncer's would start a pooler. A policy of the user's own stays as it is.
keep_services_off() {
  as_root mkdir -p "${CLUSTER_SETTINGS%/*}" &&
    echo 'create_main_cluster = false' | as_root tee "$CLUSTER_SETTINGS" >/dev/null || return
  if [[ ! -e $SERVICE_POLICY ]] || is_our_policy; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$SERVICE_POLICY" >/dev/null &&
      as_root chmod 755 "$SERVICE_POLICY"
  fi
}

# is_our_policy: whether the policy is that of an installation by these scripts, maybe a killed one.
is_our_policy() {
  grep -qsxF "$POLICY_MARK" "$SERVICE_POLICY"
}

# let_services_start: removes those settings. Nothing interrupts that.
let_services_start() {
  trap '' HUP INT TERM
  if is_our_policy; then as_root rm -f "$SERVICE_POLICY"; fi
  as_root rm -f "$CLUSTER_SETTINGS"
  as_root rmdir --ignore-fail-on-non-empty "${CLUSTER_SETTINGS%/*}"
}

# install_packages NAME...: installs Debian's packages, as root or with sudo. It does so in a shell of its own: however
# that ends, also by Ctrl-C, the machine's packages start their services as before.
install_packages() {
  local status=0
  echo "Installing Debian's packages $* ..."
  (
    trap let_services_start EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    { keep_services_off && as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$@"; } >/dev/null
  ) || status=$?
  ((status < 128)) || exit "$status"
  ((status == 0)) || die "the packages $* could not be installed: see apt-get's message above"
}

# install_rust AGREED PACKAGE...: installs Rust, a linker for it, and Debian's packages that are missing: at once if
# AGREED is true, or if somebody at the terminal agrees. Otherwise it ends the script with what it would install.
install_rust() {
  local agreed=$1 package answer missing=()
  shift
  command -v apt-get >/dev/null && { ((EUID == 0)) || command -v sudo >/dev/null; } ||
    die "Rust $(least_rust) or later (cargo) is missing: install it (https://rustup.rs), a C compiler and PostgreSQL 14 or later"
  for package in ca-certificates curl gcc libc6-dev "$@"; do
    has_package "$package" || missing+=("$package")
  done
  ! command -v rustup >/dev/null || die "rustup has no Rust $(least_rust) or later: run rustup default stable, then rustup update"
  echo "Rust $(least_rust) or later (cargo) is missing. To go on without containers, this installs:"
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
  find_cargo || die "rustup has not installed Rust $(least_rust) or later where it should: see ${CARGO_HOME:-~/.cargo}/bin"
}
