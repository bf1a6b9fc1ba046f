#!/usr/bin/env bash
# Docker Compose for the containers that ./rerun.sh starts. Their project has a name of its own, made from the path of
# this folder, so that `docker compose` alone does not find them.
#
# usage: ./compose.sh ARGUMENT...     such as ./compose.sh logs --follow etl
set -euo pipefail
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clean.sh"

compose "$@"
