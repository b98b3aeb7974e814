#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: listed.sh FOLDER HEADER…: the folder holds exactly these headers.
set -eu
folder=$1
shift
diff <(cd "$folder" && ls -- *.h | sort) <(printf '%s\n' "$@" | sort)
