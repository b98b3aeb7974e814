#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# build_llama_bench.sh [FOLDER]
#
# Builds llama-bench and llama-batched-bench from the source that PyPI's llama-cpp-python carries and
# writes models of the benchmarks' shape beside it. Then:
#
#   LLAMA_BENCH=FOLDER/llama-bench LLAMA_BATCHED_BENCH=FOLDER/llama-batched-bench \
#     meson test -C BUILD --benchmark model
#
# Needs pip, numpy, cmake and a C++ compiler; 6 GB of disk; minutes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mkdir -p "${1:-llama-bench-peer}" && cd "${1:-llama-bench-peer}" && pwd)
version=${LLAMA_CPP_PYTHON_VERSION:-}
package=llama-cpp-python${version:+==$version}

for tool in cmake c++ python3; do
  command -v "$tool" >/dev/null || { echo "$0: $tool is missing" >&2; exit 1; }
done

python3 -c 'import numpy' 2>/dev/null || {
  echo "$0: python3 has no numpy (pip install numpy, in a venv)" >&2
  exit 1
}

cd "$folder"
if ! ls llama_cpp_python-*.tar.gz >/dev/null 2>&1; then
  python3 -m pip download --no-deps --no-binary :all: \
    --no-cache-dir "$package" || {
    echo "$0: cannot download $package" >&2
    exit 1
  }
fi
mkdir -p source
tar -xzf llama_cpp_python-*.tar.gz -C source --strip-components=1

# gcc 12's ldtilecfg does not say that it reads all 64 bytes; the stores that
# fill them are dropped and llama.cpp dies on machines with tiles.
sed -i 's|^ *_tile_loadconfig(&tc);|asm volatile("" : : "r"(\&tc) : "memory");\n&|' \
  source/vendor/llama.cpp/ggml/src/ggml-cpu/amx/mmq.cpp

cmake -S source/vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release \
  -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF \
  -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TOOLS=ON \
  -DBUILD_SHARED_LIBS=OFF
cmake --build build --target llama-bench llama-batched-bench \
  --parallel "$(nproc)"
cp build/bin/llama-bench build/bin/llama-batched-bench "$folder"

for format in bf16 q8_0 q4_0; do
  python3 "$here/write_gguf.py" "$format" "$folder/synthetic-$format.gguf"
done
echo "LLAMA_BENCH=$folder/llama-bench"
echo "LLAMA_BATCHED_BENCH=$folder/llama-batched-bench"
