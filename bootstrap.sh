#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: ./bootstrap.sh build|demo|test [--full]
#
#   build  installs what is missing and builds the optimised program build/dv
#   demo   the same, then versions, changes, pushes and pulls a real dataset
#   test   the same, and runs the whole suite: sanitizers, fuzzing, then the plain build, with
#          real servers on loopback: radosgw (S3), sshd, nginx, Slurm. --full adds Swift, radosgw on
#          bluestore with TLS, s3rver, a browser, and the long forms of some tests
#
# A second run is quick: nothing is asked of apt when everything is there.
set -eu
cd "$(dirname "$0")"

jobs=$(nproc 2>/dev/null || echo 2)
[ "$jobs" -le 8 ] || jobs=8
test_jobs=3	# more than CPUs: many tests wait for a server
full=
export CTEST_OUTPUT_ON_FAILURE=1

usage() {
	echo "usage: ./bootstrap.sh build|demo|test [--full]" >&2
	exit 2
}

heading() {
	printf '\n==== %s ====\n' "$*"
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# The Debian packages that are missing for 'build' or 'test', found without asking apt.
missing_packages() {
	have cc || echo build-essential
	have cmake || echo cmake
	have ninja || echo ninja-build
	have git || echo git
	if ! have pkg-config; then
		echo pkg-config libgit2-dev libsqlite3-dev libssl-dev libzstd-dev \
			libyaml-dev libjansson-dev libcurl4-openssl-dev
		[ "$1" != test ] || echo libcmocka-dev
	else
		pkg-config --exists libgit2 || echo libgit2-dev
		pkg-config --exists sqlite3 || echo libsqlite3-dev
		pkg-config --exists libcrypto || echo libssl-dev
		pkg-config --exists libzstd || echo libzstd-dev
		pkg-config --exists yaml-0.1 || echo libyaml-dev
		pkg-config --exists jansson || echo libjansson-dev
		pkg-config --exists libcurl || echo libcurl4-openssl-dev
		[ "$1" != test ] || pkg-config --exists cmocka || echo libcmocka-dev
	fi
	if [ "$1" = test ]; then
		have python3 || echo python3
		have spin || echo spin
		have clang || echo clang
		clang_has_runtimes || ! have clang || clang_runtime_package
		missing_servers
	fi
}

# The servers of the tests; what is in /usr/sbin need not be on the PATH.
missing_servers() {
	local PATH=$PATH:/usr/sbin:/sbin
	have ssh || echo openssh-client
	have sshd || echo openssh-server
	have nginx || echo nginx-light
	have ceph-mon || echo ceph-mon
	have ceph-osd || echo ceph-osd
	have ceph || echo ceph-common
	have radosgw || echo radosgw
	have openssl || echo openssl
	have slurmctld || echo slurmctld
	have slurmd || echo slurmd
	have sbatch || echo slurm-client
	have munged || echo munge
	[ -n "$full" ] || return 0
	have swift-proxy-server || echo swift-proxy
	have swift-account-server || echo swift-account
	have swift-container-server || echo swift-container
	have swift-object-server || echo swift-object
	have memcached || echo memcached
	have npm || echo nodejs npm
	have chromium || echo chromium
}

clang_has_runtimes() {
	have clang && [ -n "$(find "$(clang -print-resource-dir)/lib" \
		-name 'libclang_rt.fuzzer*' -print -quit 2>/dev/null)" ]
}

clang_runtime_package() {
	local version
	version=$(clang -dumpversion)
	echo "libclang-rt-${version%%.*}-dev"
}

# Packages of servers start them; the tests start their own. Forbidden for the while.
apt_install() {
	local policy=/usr/sbin/policy-rc.d code=0
	if [ -e $policy ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	apt_get_install "$@" || code=$?
	[ -z "$policy" ] || rm -f "$policy"
	return $code
}

apt_get_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

install_missing() {
	local packages
	packages=$(missing_packages "$1" | tr '\n' ' ')
	packages=${packages% }
	[ -n "$packages" ] || return 0
	if ! have apt-get; then
		echo "bootstrap: install what these Debian packages hold: $packages" >&2
		exit 1
	fi
	if [ "$(id -u)" -ne 0 ]; then
		echo "bootstrap: some packages are missing; run:" >&2
		echo "sudo apt-get install -y --no-install-recommends $packages" >&2
		exit 1
	fi
	heading "Installing $packages"
	apt-get update
	# shellcheck disable=SC2086
	apt_install $packages
	# The version of clang, and so the name of its runtimes, is known only now.
	if [ "$1" = test ] && ! clang_has_runtimes; then
		apt_install "$(clang_runtime_package)" ||
			echo "bootstrap: no runtimes for clang's sanitizers were found"
	fi
}

# build FOLDER TARGET OPTION…: configures and builds; the log is shown only on failure.
build() {
	local folder=$1 target=$2 log=$1/bootstrap.log
	shift 2
	mkdir -p "$folder"
	if ! cmake -S . -B "$folder" -G Ninja "$@" >"$log" 2>&1; then
		cat "$log"
		echo "bootstrap: cannot configure $folder"
		exit 1
	fi
	if ! cmake --build "$folder" --target "$target" -j "$jobs" >"$log" 2>&1; then
		cat "$log"
		echo "bootstrap: cannot build $folder"
		exit 1
	fi
	grep -A 5 'warning:' "$log" || true
	echo "built $folder"
}

build_release() {
	heading "Building build/dv"
	build build all -DCMAKE_BUILD_TYPE=RelWithDebInfo "-DDV_TESTS=$1"
}

run_tests() {
	ctest --test-dir "$@" -j "$test_jobs" --no-tests=error
}

# The sanitizers of older compilers fail at random where the kernel spreads addresses widely. What
# is attacked at every few steps is attacked at fewer here: the plain build does the others.
run_sanitized() {
	[ -n "$full" ] || local -x DV_TEST_STRIDE=${DV_TEST_STRIDE:-41}
	if setarch "$(uname -m)" -R true 2>/dev/null; then
		setarch "$(uname -m)" -R ctest --test-dir "$@" -j "$test_jobs" --no-tests=error
	else
		run_tests "$@"
	fi
}

test_all() {
	local failed=""
	if clang_has_runtimes; then
		heading "Address and undefined behaviour sanitizers: build"
		build build-asan all -DCMAKE_C_COMPILER=clang -DDV_WERROR=ON \
			-DDV_SANITIZE=address,undefined
		heading "Address and undefined behaviour sanitizers: tests"
		run_sanitized build-asan -LE check || failed="$failed sanitizers"

		heading "Thread sanitizer: build"
		build build-tsan unit_tests -DCMAKE_C_COMPILER=clang -DDV_SANITIZE=thread
		heading "Thread sanitizer: unit tests"
		run_sanitized build-tsan -L unit || failed="$failed threads"

		heading "Fuzzing: build"
		build build-fuzz fuzzers -DCMAKE_C_COMPILER=clang -DDV_FUZZ=ON -DDV_FUZZ_SECONDS=5
		heading "Fuzzing: five seconds for each target"
		run_sanitized build-fuzz -L fuzz || failed="$failed fuzzing"
	else
		heading "SKIPPED: sanitizers and fuzzing, clang or its runtimes are not installed"
	fi

	build_release ON
	heading "Tests"
	if [ -n "$failed" ]; then
		run_tests build || true
		echo "bootstrap: failed:$failed"
		return 1
	fi
	run_tests build
}

case ${1:-} in
build)
	install_missing build
	build_release OFF
	;;
demo)
	install_missing build
	build_release OFF
	heading "Demonstration"
	DV=$PWD/build/dv bash docs/demo.sh
	;;
test)
	case ${2:-} in
	'') ;;
	--full) full=1 && export DV_TEST_FULL=1 ;;
	*) usage ;;
	esac
	install_missing test
	test_all
	;;
*) usage ;;
esac
