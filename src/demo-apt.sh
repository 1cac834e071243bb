#!/bin/sh
# Runs this machine's apt against one stanza of the demonstration, in a root of its own that is removed again.
#   sh apt.sh DATE|live [PACKAGE]
set -eu
here=$(dirname "$0")
word=${1:?which date, or live?}
package=${2:-hello-debpoint}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/etc/apt/sources.list.d" "$root/etc/apt/apt.conf.d" "$root/etc/apt/preferences.d" \
    "$root/etc/apt/trusted.gpg.d" "$root/var/lib/apt/lists/partial" "$root/var/lib/dpkg" "$root/var/log/apt" \
    "$root/var/cache/apt/archives/partial"
: > "$root/var/lib/dpkg/status"
cp "$here/$word.sources" "$root/etc/apt/sources.list.d/debpoint.sources"
cat > "$root/apt.conf" <<CONF
Dir "$root";
Dir::State::status "$root/var/lib/dpkg/status";
Dir::Etc::SourceList "/dev/null";
Dir::Bin::Methods "/usr/lib/apt/methods";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
export APT_CONFIG="$root/apt.conf"
apt-get -q update
apt-cache policy "$package"
apt-get -q -y -o Debug::NoLocking=1 install -d "$package"
ls -l "$root/var/cache/apt/archives/"*.deb
