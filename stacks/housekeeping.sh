#!/bin/sh
# Remove images of this node that are old and not needed: never volumes, networks or containers.
#
# KEEP=2             newest images of each repository that stay: the current one and the one to roll back to
# OLDER_THAN_DAYS=7  age below which nothing is removed
# DRY_RUN=1          say what would go and leave it
#
# What any container uses, also a stopped one, stays: Swarm keeps the last five tasks of every replica, so that
# a rollback finds its image here. Whatever goes can be pulled again.
set -eu
keep=${KEEP:-2}
days=${OLDER_THAN_DAYS:-7}
before=$(date -u -d "@$(($(date +%s) - days * 86400))" +%Y-%m-%dT%H:%M:%S)

containers=$(docker ps --all --quiet --no-trunc)
images=$(docker image ls --quiet --no-trunc | sort -u)
[ -n "$images" ] || exit 0
# shellcheck disable=SC2086 # lists of ids
used=$([ -z "$containers" ] || docker inspect --format '{{.Image}}' $containers | sort -u)

# One line per image: its id, when it came here or was built, and all its names.
# shellcheck disable=SC2086
described=$(docker image inspect --format \
  '{{.Id}} {{.Created}} {{json .Metadata.LastTagTime}}{{range .RepoTags}} {{.}}{{end}}{{range .RepoDigests}} {{.}}{{end}}' \
  $images)
printf '%s\n' "$described" | awk -v keep="$keep" -v before="$before" -v used="$used" '
  BEGIN { count = split(used, ids, "\n"); for (i = 1; i <= count; i++) stays[ids[i]] = 1 }
  {
    gsub(/"/, "", $3)
    when[$1] = $2 > $3 ? $2 : $3
    order[++images] = $1
    for (i = 4; i <= NF; i++) {
      names[$1] = names[$1] " " $i
      repository = $i
      sub(/@.*/, "", repository); sub(/:[^:\/]*$/, "", repository)
      if (!((repository, $1) in seen)) { seen[repository, $1] = 1; of[repository] = of[repository] " " $1 }
    }
  }
  END {
    for (repository in of) {
      count = split(substr(of[repository], 2), ids, " ")
      for (i = 1; i <= count; i++) {
        newer = 0
        for (j = 1; j <= count; j++)
          if (when[ids[j]] > when[ids[i]] || (when[ids[j]] == when[ids[i]] && j < i)) newer++
        if (newer < keep) stays[ids[i]] = 1
      }
    }
    for (n = 1; n <= images; n++)
      if (!(order[n] in stays) && when[order[n]] < before)
        print (names[order[n]] == "" ? order[n] : substr(names[order[n]], 2))
  }' |
while read -r references; do
  echo "old and unused: $references"
  [ -n "${DRY_RUN:-}" ] && continue
  # shellcheck disable=SC2086 # an image goes with the last of its names
  docker image rm $references >/dev/null || echo "left: $references"
done
