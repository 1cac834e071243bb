#!/bin/sh
# A day of somebody who keeps a mirror of Debian on a server with Pulp's API: sync, checkpoint, promote, list, prune.
#
#     pulp-day.sh setup URL SUITE KEYRING   # once: what is mirrored, and whose signature it has
#     pulp-day.sh day                       # every day; prints how many seconds each step took
#
# It needs curl, jq, and the pulp command with its deb plugin, and knows no server but the one that this is set up for in
# ~/.config/pulp/cli.toml.
set -eu

REPOSITORY=debian

pulp() {
    command pulp --format json "$@"
}

setup() {
    pulp deb remote create --name "$REPOSITORY" --url "$1" --distribution "$2" --component main --architecture amd64 \
        --policy on_demand --gpgkey "@$3"
    pulp deb repository create --name "$REPOSITORY" --remote "$REPOSITORY" --retain-repo-versions 3
    pulp deb distribution create --name "$REPOSITORY-dated" --base-path "$REPOSITORY/dated" --repository "$REPOSITORY" \
        --checkpoint
    pulp deb distribution create --name "$REPOSITORY-testing" --base-path "$REPOSITORY/testing" \
        --repository "$REPOSITORY"
    pulp deb distribution create --name "$REPOSITORY-production" --base-path "$REPOSITORY/production"
}

sync() {
    pulp deb repository sync --name "$REPOSITORY" --mirror
}

checkpoint() {
    pulp deb publication create --repository "$REPOSITORY" --checkpoint | jq -r .pulp_href > "$publication"
}

# Hosts in production get what those for testing have had for a day; on the first day, what there is.
promote() {
    pulp deb distribution update --name "$REPOSITORY-production" --publication "$(cat "$publication")"
}

list() {
    version=$(pulp deb repository show --name "$REPOSITORY" | jq -r .latest_version_href)
    pulp deb content list --repository-version "$version" --package bash | jq -r '.[].version'
    pulp deb content list --repository-version "$version" --limit 1000 | jq -e 'length > 0'
    pulp deb content --type release_component list --repository-version "$version" | jq -e 'length == 1'
    pulp deb repository version list --repository "$REPOSITORY" | jq -r '.[0].content_summary.added'
    pulp deb publication list | jq -r '.[] | select(.checkpoint).pulp_created'
    pulp deb distribution list | jq -r '.[] | .name + " " + .base_url'
    curl --silent --show-error --fail "$(pulp deb distribution show --name "$REPOSITORY-dated" | jq -r .base_url)"
}

prune() {
    pulp deb repository update --name "$REPOSITORY" --retain-repo-versions 2
    pulp orphan cleanup --protection-time 1440
    pulp task purge --finished-before "$(date --utc --date '30 days ago' +%Y-%m-%dT%H:%M:%S)"
}

# Carries out a step and says how long it took. What it prints is for people who look for a mistake.
step() {
    begun=$(date +%s.%N)
    "$1" > "$log" 2>&1 || { cat "$log" >&2; echo "pulp-day.sh: $1 failed" >&2; exit 1; }
    echo "$1 $begun $(date +%s.%N)" | awk '{ printf "%s %.2f\n", $1, $3 - $2 }'
}

day() {
    publication=$(mktemp)
    log=$(mktemp)
    trap 'rm -f "$publication" "$log"' EXIT
    step sync
    step checkpoint
    step promote
    step list
    step prune
}

case "${1:-}" in
setup) shift; [ $# -eq 3 ] || { sed -n 2,8p "$0" >&2; exit 2; }; setup "$@" ;;
day) day ;;
*) sed -n 2,8p "$0" >&2; exit 2 ;;
esac
