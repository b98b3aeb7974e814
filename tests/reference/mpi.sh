#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same with processes for ranks.
# usage: mpi.sh MPIRUN CHECK-REFERENCE TPxPP [ITS OPTIONS]
set -eu
mpirun=$1 check=$2 ranks=$3
shift 3
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
exec bash "$(dirname "$0")/run.sh" "$mpirun" --oversubscribe \
  -np $((${ranks%x*} * ${ranks#*x})) "$check" "$@" --ranks "$ranks"
