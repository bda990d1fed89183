# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/test, tools/demo and tools/bench: packages, the Python environment, the build. Does only what is missing.
#   setup_all [PRESET]   from a fresh Debian 12 to a finished build in build/ (or build-PRESET/)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
debian_packages=(libmlir-22-dev llvm-22-dev mlir-22-tools clang-22 lld-22 libclang-rt-22-dev ccache libdnnl-dev libgtest-dev
  ninja-build cmake python3-venv python3-dev g++)
python_packages=(numpy "pybind11>=3" pytest scikit-learn safetensors)
oracle_packages=("torch==2.13.0")
peer_packages=("torch==2.13.0" jax onnxruntime openvino onnx)  # what tools/bench compares with

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'tinyfin setup: %s\n' "$*" >&2; exit 1; }

missing_packages() {
  local package
  for package in "${debian_packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

setup_packages() {
  command -v dpkg-query >/dev/null || die "found a system without dpkg, wanted Debian 12 with: ${debian_packages[*]}"
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} = 0 ] && return
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    die "these packages are missing and installing them needs root: apt-get install ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  as_root apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install ${missing[*]}; LLVM 22 for Debian 12 comes from the LLVM project's own apt repository"
}

# install_python NAME PACKAGE...: into .venv, once for each list of packages.
install_python() {
  local stamp=$venv/installed-$1; shift
  [ "$(cat "$stamp" 2>/dev/null)" = "$*" ] && return
  say "installing Python packages: $*"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || die "pip could not install $*"
  echo "$*" >"$stamp"
}

setup_python() {
  # Debian's own Python: another one on PATH may lack headers, or differ from the one the tests run with.
  [ -x "$venv/bin/python" ] || { say "creating .venv"; /usr/bin/python3 -m venv "$venv" || die "cannot create $venv"; }
  install_python base "${python_packages[@]}"
  if [ "${TINYFIN_ORACLES:-0}" = 1 ]; then install_python oracles "${oracle_packages[@]}"; fi
}

# Each package by itself: one that cannot be had leaves its peer out of the table, with a word, and is tried again next time.
setup_peers() {
  local package
  for package in "${peer_packages[@]}"; do
    (install_python "peer-${package%%=*}" "$package") || say "$package is left out"
  done
}

setup_build() {
  local preset=${1:-release} build
  build=$root/build$([ "$preset" = release ] || echo "-$preset")
  if ! [ -f "$build/build.ninja" ] || ! grep -qs "Python_EXECUTABLE:.*=$venv/bin/python" "$build/CMakeCache.txt"; then
    say "configuring ${build#"$root"/}"
    (cd "$root" && cmake --preset "$preset" --log-level=WARNING "-DPython_EXECUTABLE=$venv/bin/python" \
      "-Dpybind11_DIR=$("$venv/bin/python" -m pybind11 --cmakedir)") >&2 || die "configuring failed"
  fi
  say "building ${build#"$root"/}"
  ninja -C "$build" >&2 || die "the build failed"
}

setup_all() {
  setup_packages
  setup_python
  setup_build "${1:-release}"
}
