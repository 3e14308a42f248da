# Sourced by apps/demo.sh and tests/run.sh, which share build/release: both install and configure the
# same, in whatever order they are called.
#
#   prepare PRESET     installs what is missing and configures build/PRESET
. tests/packages.sh

prepare() {
  install_missing "${build_packages[@]}"
  cmake --preset "$1" -DTRIFOLD_TESTS=ON -DTRIFOLD_WERROR="${TRIFOLD_WERROR:-OFF}" \
    -DTRIFOLD_UNITY="${TRIFOLD_UNITY:-OFF}" >/dev/null
}
