#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The conformance suite of the drivers (unit/test_drivers.c) on each account of an sshd, and through
# the fault proxy.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

export LARGE=100000001
[ -z "$TEST_FULL" ] || LARGE=5368709121

# The far side finds this dv as its own.
mkdir "$TEST_DIR/far"
ln -s "$DV" "$TEST_DIR/far/dv"
export SSHD_PATH=$TEST_DIR/far:/usr/bin:/bin
need_server sshd
case $SSH_ACCOUNTS in
*chroot*) ;;
*) echo "# SKIPPED: accounts of ssh that need root" ;;
esac
for account in $SSH_ACCOUNTS; do
	case $account in
	full) place=$SSH_HOME/full large=$LARGE ;;
	sftponly) place=$SSH_HOME/sftponly large= ;;
	chroot) place=/data/x large= ;;
	minimal) place=/data-minimal/x large= ;;
	readonly) continue ;;
	esac
	export account place large
	test_case "ssh: $account" '
		suite DV_TEST_URL=ssh://$account$place DV_TEST_LARGE=$large \
			DV_TEST_SETTINGS="$(ssh_settings)"'
done
case $SSH_ACCOUNTS in
*readonly*) test_case 'ssh: readonly' '
	suite DV_TEST_DENIED_URL=ssh://readonly/data \
		DV_TEST_DENIED_SETTINGS="$(ssh_settings)"
	suite DV_TEST_MAKE="$SSH_ROOT/readable"
	suite DV_TEST_READ_URL=ssh://readonly/readable DV_TEST_SETTINGS="$(ssh_settings)"' ;;
esac
test_case 'ssh: full, with dv on the far side' '
	SERVE=always
	suite DV_TEST_URL=ssh://full$SSH_HOME/serve DV_TEST_LARGE=$LARGE \
		DV_TEST_SETTINGS="$(ssh_settings)"'
start_proxy sshproxy "$SSH_PORT" tcp
test_case 'ssh: a bad road' '
	suite DV_TEST_URL=ssh://full$SSH_HOME/faults DV_TEST_WEATHER=$PROXY_RULES \
		DV_TEST_PROXY=tcp DV_TEST_SETTINGS="$(ssh_settings \
		"-p $PROXY_PORT -o HostKeyAlias=[127.0.0.1]:$SSH_PORT")"'
test_case 'ssh: a bad road, with dv on the far side' '
	SERVE=always
	suite DV_TEST_URL=ssh://full$SSH_HOME/serve-faults DV_TEST_WEATHER=$PROXY_RULES \
		DV_TEST_PROXY=tcp DV_TEST_SETTINGS="$(ssh_settings \
		"-p $PROXY_PORT -o HostKeyAlias=[127.0.0.1]:$SSH_PORT")"'
test_case 'ssh: no temporary file is left by what ended' '
	find "$SSH_HOME"/{full,sftponly,serve} -name ".dv-*" >left
	! [ -s left ] || { cat left; exit 1; }'

done_testing
