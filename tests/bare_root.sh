#!/usr/bin/env bash
# Runs the README's two commands where nothing is installed: in a bare Debian 12 made by debootstrap,
# in a clone of this checkout's last commit whose path has a space. A machine that has packages already
# hides that tests/packages.sh lacks one; this doesn't. It takes half an hour on two cores. Run it before
# a release, and when packages or the two commands have changed:
#
#   sudo tests/bare_root.sh [FOLDER [COMMAND...]]
#
# FOLDER: an empty or new folder for the root, which stays; by default one under /var/tmp, removed at the
# end. COMMAND...: what to run in the clone instead, e.g. tests/run.sh debug.
#
# The machine has to be one on which apt finds Debian 12's packages: the root takes over its sources,
# keys, proxies and name servers. The root's compiler cache is build/bare_root_ccache, outside of it, so
# that a second run is quicker. Mounts and processes have namespaces of their own and end with the run,
# however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh

fail() { echo "error: $*" >&2; exit 1; }

# The second half, in namespaces of its own: mounts, and runs the command in the root.
if [ "${1:-}" = --inside ]; then
  root=$2
  shift 2
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --bind build/bare_root_ccache "$root/var/cache/ccache"
  exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin CCACHE_DIR=/var/cache/ccache \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    bash -c 'cd "/root/a folder/trifold" && "$@"' bash "$@"
fi

in_namespaces() {  # COMMAND...
  unshare --mount --pid --fork --kill-child --mount-proc "$@" &
  job=$!
  wait $job
  job=
}
# What runs in namespaces ignores signals, as an init does: it is killed.
finish() {
  [ -z "${job:-}" ] || { kill -KILL $job; sleep 1; }
  [ -z "${temporary:-}" ] || rm -rf --one-file-system "$temporary"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

[ "$(id -u)" -eq 0 ] || fail "only root can make a root folder: sudo $0"
install_missing debootstrap mount
if [ $# -gt 0 ]; then
  root=$(realpath -m "$1")
  shift
  [ -z "$(ls -A "$root" 2>/dev/null)" ] || fail "$root isn't empty; name a new folder"
  mkdir -p "$root"
else
  root=$(mktemp -d /var/tmp/bare_root.XXXXXX)
  temporary=$root
fi
[ $# -gt 0 ] || set -- bash -c 'apps/demo.sh && tests/run.sh'

mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  sed -n 's/^bookworm main //p' | head -1)
[ -n "$mirror" ] || fail "apt has no source of Debian 12 (bookworm) on this machine"
eval "$(apt-config shell apt_proxy Acquire::http::Proxy)"
[ -z "${apt_proxy:-}" ] || export http_proxy=${http_proxy:-$apt_proxy}

echo "== A bare Debian 12 in $root" >&2
in_namespaces debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$mirror" >&2
cp -a /etc/apt/. "$root/etc/apt/"
cp -an /usr/share/keyrings/. "$root/usr/share/keyrings/"
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
mkdir -p "$root/root/a folder" "$root/var/cache/ccache" build/bare_root_ccache
git clone --quiet --no-hardlinks . "$root/root/a folder/trifold"

echo "== Running: $*" >&2
in_namespaces tests/bare_root.sh --inside "$root" "$@"
echo "== Done" >&2
