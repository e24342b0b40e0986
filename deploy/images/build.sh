#!/bin/bash
# The container images of this checkout, or that of one: build.sh [SERVICE]. `make images` calls it.
# BASE_IMAGE: their base. DOCKER: the command. DOCKER_BUILD: what else `docker build` is told.
set -euo pipefail
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
base=${BASE_IMAGE:-python:3.12-slim}
read -ra more <<<"${DOCKER_BUILD:-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stop() { echo "images: $*" >&2; exit 1; }

folders=(services/*/ loadtests/ meshctl/)
if [ -n "${1:-}" ]; then
  folders=(services/"$1"/)
  case $1 in loadtests | meshctl) folders=("$1/") ;; esac
  [ -f "${folders[0]}Dockerfile" ] || stop "$1: there is no ${folders[0]}Dockerfile"
fi
command -v "$docker" >/dev/null || stop "$docker is not on the PATH: images need a Docker Engine, nothing else here does"
"$docker" version >/dev/null 2>"$work/problem" || stop "the Docker Engine does not answer: $(tail -1 "$work/problem")"

# Made from copies, so that nothing of an earlier build gets in; the same sources give the same
# bytes, so that Docker finds its layers again.
mkdir "$work/source" "$work/wheels"
tar -c --exclude=build --exclude=build_stubs --exclude='*.egg-info' --exclude=__pycache__ --exclude=tests \
  backbone protos | tar -x -C "$work/source"
SOURCE_DATE_EPOCH=315532800 .venv/bin/pip wheel --quiet --disable-pip-version-check --no-index --no-deps \
  --no-build-isolation --wheel-dir "$work/wheels" "$work"/source/{backbone,protos} >&2
cp constraints.txt "$work/wheels/"

for folder in "${folders[@]}"; do
  folder=${folder%/}
  name=$(basename "$folder")
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$folder/pyproject.toml")
  tag=citymesh/$name:$version
  context=$folder
  [ "$name" != meshctl ] || context=.
  rm -rf "$context/wheels"
  cp -r "$work/wheels" "$context/wheels"
  "$docker" build --tag "$tag" --file "$folder/Dockerfile" --build-arg "BASE_IMAGE=$base" \
    --build-arg "VERSION=$version" "${more[@]}" "$context" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; stop "$tag could not be built"; }
  "$docker" image inspect --format "$tag {{.Size}}" "$tag" | awk '{printf "%-28s %d MB\n", $1, $2 / 1000000}'
done
