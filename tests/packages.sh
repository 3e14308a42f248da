# The Debian packages that the scripts need, and how to install those that are missing. Sourced by
# tests/prepare.sh and by scripts that need more.
#
#   install_missing PACKAGE...   says what it will install; uses sudo only when not root

install_missing() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    command -v sudo >/dev/null || {
      echo "error: these packages are missing and there is no sudo: ${missing[*]}" >&2
      return 1
    }
  fi
  echo "Installing Debian packages: ${missing[*]}" >&2
  # An installation that was stopped in the middle is finished first; one that runs is waited for.
  "${as_root[@]}" dpkg --configure -a >/dev/null &&
    "${as_root[@]}" apt-get update -qq >&2 &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq \
      --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
}

# What every build needs, with its tests and benchmarks.
build_packages=(g++ cmake ninja-build ccache pkg-config libfmt-dev nlohmann-json3-dev libeigen3-dev
  zlib1g-dev libcli11-dev libhwy-dev libtomlplusplus-dev libjpeg62-turbo-dev libexif-dev
  libspng-dev libsqlite3-dev libprotozero-dev libzip-dev libboost-context-dev binutils dataset-fashion-mnist libgtest-dev
  libgmock-dev libbenchmark-dev)

# What a build uses where it is there.
optional_packages=(libdnnl-dev)

# What .ci/run needs beside what a build needs.
check_packages=(python3 python3-venv clang clang-format clang-tidy shfmt libopenmpi-dev openmpi-bin zsh fish)
