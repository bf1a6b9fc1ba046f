# One image for the loader, its cron and the two services.
#
# Only long-standing Dockerfile syntax: the classic builder builds it as well as BuildKit does.
ARG RUST_IMAGE=rust:1-slim-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS toolchain


FROM toolchain AS build
WORKDIR /build

# The dependencies alone, with empty programs in the place of ours: this layer lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY src/services/Cargo.toml src/services/
RUN echo 'fn main() {}' | tee src/main.rs src/build.rs src/services/users.rs src/services/cards.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && cargo build --release --locked --package services \
    && rm -rf src target/release/.fingerprint/etl-* target/release/.fingerprint/services-*

COPY sql sql
COPY src src
RUN cargo build --release --locked --package services
# What `etl --version` says, since the history is not here.
ARG ETL_COMMIT
RUN cargo build --release --locked
# By the labels rerun.sh knows which images a newer build has replaced. Last, so that no half-built image has it.
LABEL users-cards-etl.stage=build


FROM ${DEBIAN_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends cron \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log /etc/cron.d/* /etc/cron.daily/*
# The user of the jobs is the one that the services write files as, so that nobody else has to be able to read them.
ARG SERVICE_USER=10001:10001
RUN groupadd --non-unique --gid "${SERVICE_USER#*:}" etl \
    && useradd --non-unique --uid "${SERVICE_USER%:*}" --gid etl --no-create-home --shell /usr/sbin/nologin etl \
    && mkdir /etc/etl \
    && ln -s /run/etl/environment /etc/etl/environment
COPY --from=build /build/target/release/etl /build/target/release/users /build/target/release/cards /usr/local/bin/
# Debian's cron reads no file that others may write, and takes the name of the user from each line.
COPY crontab /etc/cron.d/etl
RUN chmod 0644 /etc/cron.d/etl
WORKDIR /var/lib/etl

# The cron sidecar. Cron gives its jobs neither the container's environment nor its output, so the environment goes
# to a file that bash reads before each job (BASH_ENV in the crontab), and the jobs write their log to a pipe whose
# other end is this container's output. If cron or the reader of the pipe ends, so does the container, and the engine
# starts it again. Cron takes every start for a boot of the machine. A run that a stop cuts off loses nothing: the next
# one goes on from the last commit. ETL_JOBS is a pattern of bash: the commands of the crontab that are carried out here.
CMD ["bash", "-euc", "\
  umask 077; rm -rf /run/etl /run/crond.reboot; mkdir /run/etl; export -p >/run/etl/environment; \
  [[ -z ${ETL_JOBS-} ]] || echo '[[ $BASH_EXECUTION_STRING == $ETL_JOBS ]] || exit 0' >>/run/etl/environment; \
  mkfifo /run/etl/log; exec 3<>/run/etl/log; chown -R etl:etl /run/etl; \
  cat <&3 & cron -f & \
  trap 'kill $(jobs -p); exit 0' TERM INT; \
  wait -n"]
LABEL users-cards-etl.stage=programs
