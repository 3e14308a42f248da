#!/usr/bin/env bash
# Builds, on a machine that needs no GPU, a folder with all that bench/gpu.sh runs on one: tests, programs
# and benchmarks with machine code for one architecture, and the shared libraries that they need. It runs
# where nothing can be installed, on Linux of the build machine's glibc or later.
#
#   bench/gpu_pack.sh [--arch 90] FOLDER     FOLDER: empty or new
#   bench/gpu_pack.sh --prove FOLDER         runs a pack's tests in a root folder that has only glibc
#
# cuBLAS and cuDNN are too large for it. Kernels that call them, which are built where both are, find them
# in the GPU machine's PyTorch or CUDA toolkit; nothing else needs them.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "error: $*" >&2; exit 1; }
glibc='^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv))\.so'
largest_mb=45

libraries_of() {  # FILES...: the shared libraries that they need, by their paths
  ldd "$@" | sed -nE 's/.* => (\/[^ ]+) .*/\1/p; s/^\s+(\/[^ ]+) .*/\1/p' | sort -u
}

# The tests of the kernels are cut to one family for each kind of op: all take half an hour.
prove() {  # FOLDER
  local library
  root=$(mktemp -d)  # not local, for the trap
  trap 'rm -rf --one-file-system "$root"' EXIT
  mkdir "$root"/{pack,proc,dev,tmp}
  libraries_of "$1"/bin/* "$1"/lib/*.so* | while read -r library; do
    [[ $(basename "$library") =~ $glibc ]] || continue
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
  export root pack=$1
  # shellcheck disable=SC2016  # the variables are the inner shell's
  unshare --user --map-root-user --mount --pid --fork bash -euo pipefail -c '
    mount --bind "$pack" "$root/pack"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    enter() { echo "== $*"; env -i HOME=/tmp unshare --root="$root" --wd=/pack "$@"; }
    for program in train prune evaluate; do enter bin/$program --version; done
    enter bin/test_engine --gtest_brief=1
    enter bin/test_nn --gtest_brief=1
    enter bin/test_kernels --gtest_brief=1 --gtest_filter="$0"
    enter bin/bench_train --batch 8 --seconds 1 --warmup 0
    enter bin/device_steps --device cpu --batch 2 --steps 2
    if enter bin/device_steps --device cuda --batch 2; then exit 1; fi
  ' 'BatchNorm*:Concat*:Elementwise*:Graph*:Linear*:*Memory.*:Optimizer*:*Pool.*:Stream*' ||
    fail "the pack doesn't run in an empty root"
  echo "runs in a root folder that has only glibc" >&2
}

arch=90
while [ $# -gt 0 ]; do
  case $1 in
    --arch) arch=${2:?--arch needs a number, such as 90}; shift 2 ;;
    --prove) prove "$(realpath "${2:?--prove needs the folder of a pack}")"; exit ;;
    -*) fail "$1 isn't a flag; see the head of $0" ;;
    *) break ;;
  esac
done
[ $# -eq 1 ] || fail "name one folder for the pack; see the head of $0"
pack=$(realpath -m "$1")
[ -z "$(ls -A "$pack" 2>/dev/null)" ] || fail "$pack isn't empty; name a new folder"

jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
build() {  # FOLDER TRIFOLD_CUDA TARGETS...
  local folder=$1 cuda=$2
  shift 2
  # An old-style rpath holds for the libraries' own libraries, too.
  # shellcheck disable=SC2016  # $ORIGIN is the loader's
  cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTRIFOLD_CUDA="$cuda" \
    -DCMAKE_CUDA_ARCHITECTURES="$arch-real" -DTRIFOLD_PORTABLE_TESTS=ON -DTRIFOLD_BENCH=ON \
    -DTRIFOLD_SHARED_KERNELS=ON \
    -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON '-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib;$ORIGIN/..' \
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags \
    -DCMAKE_SHARED_LINKER_FLAGS=-Wl,--disable-new-dtags >/dev/null
  cmake --build "$folder" -j "$jobs" --target "$@" >&2
}

echo "== Building for sm_$arch" >&2
tests=(test_kernels test_engine test_nn)
programs=(bench_train device_steps cuda_roofline train prune evaluate)
# By itself CMake leaves the providers out, which would have to be where the pack runs.
build build/gpu_pack AUTO "${tests[@]}" "${programs[@]}"
kernels=kernels/libtrifold_kernels.so
[[ $(nm -C build/gpu_pack/$kernels) == *cuda::update_parameters* ]] || fail "nvcc can't compile here"
build build/gpu_pack_providers ON trifold_kernels

echo "== Packing $pack" >&2
mkdir -p "$pack"/{bin,lib/providers,bench/shapes,bench/peers,tests}
cp "${tests[@]/#/build/gpu_pack/tests/}" "${programs[@]/#/build/gpu_pack/bin/}" "$pack/bin"
cp build/gpu_pack/$kernels "$pack/lib"
libraries_of "$pack"/bin/* | while read -r library; do
  [[ $(basename "$library") =~ $glibc ]] || cp -Ln "$library" "$pack/lib"
done
if [[ $(ldd build/gpu_pack_providers/$kernels) == *libcudnn* ]]; then
  cp build/gpu_pack_providers/$kernels "$pack/lib/providers"
else
  echo "cuDNN isn't here: left out is what compares with it" >&2
fi
find "$pack/bin" "$pack/lib" -type f -exec strip {} +
cp bench/gpu.sh "$pack/bench"
cp bench/peers/{torch_step,peer_networks}.py "$pack/bench/peers"
cp bench/shapes/conv2d_small.txt "$pack/bench/shapes"
cp -r tests/fixtures "$pack/tests"
cat >"$pack/ABOUT" <<ABOUT
arch=$arch
commit=$(git describe --always --dirty)
compiler=$("$(sed -n 's/^CMAKE_CUDA_COMPILER:[^=]*=//p' build/gpu_pack/CMakeCache.txt)" --version | sed -n 's/^Cuda compilation tools, //p')
ABOUT
mb=$(($(du -sk --apparent-size "$pack" | cut -f1) / 1024 + 1))
[ $mb -le $largest_mb ] || fail "the pack has $mb MB, more than $largest_mb"
echo "written to $pack: $mb MB" >&2
