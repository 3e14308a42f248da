# Installs the Debian packages that are missing. Sourced by tests/run.sh and apps/demo.sh.
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
  "${as_root[@]}" apt-get update -qq >&2 &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq \
      --no-install-recommends "${missing[@]}" >/dev/null
}

# What every build needs.
build_packages=(g++ cmake ninja-build ccache pkg-config libfmt-dev nlohmann-json3-dev libeigen3-dev
  zlib1g-dev libcli11-dev libhwy-dev libtomlplusplus-dev libturbojpeg0-dev libspng-dev
  libboost-context-dev binutils dataset-fashion-mnist)
