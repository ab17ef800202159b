#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The cipher that ssh is asked for: AES where the processor helps with it and the user has no
# opinion, and what the user says otherwise.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

need_server sshd

git init -q && "$DV" init -q
echo data >a && "$DV" add -q a

# cipher OPTION…: the one that a push agreed on, ssh being told OPTION.
cipher() {
	rm -f ../log
	"$DV" config --local remote.o.sshcommand "ssh -v -E $PWD/../log -F $SSH_CONFIG $*"
	"$DV" push -q
	sed -n 's/.*kex: client->server cipher: \([^ ]*\).*/\1/p' ../log | sort -u
}
# Used in a test case.
# shellcheck disable=SC2034
case $(uname -m) in
x86_64) aes='^flags.* aes' ;;
*) aes='^Features.* aes' ;;
esac

"$DV" remote add -d --no-probe --local o "ssh://full$SSH_HOME/store"
test_case 'AES comes first where the processor helps' '
	if grep -q "$aes" /proc/cpuinfo; then
		[ "$(cipher)" = aes128-gcm@openssh.com ]
	else
		[ "$(cipher)" != aes128-gcm@openssh.com ]
	fi'
test_case 'ciphers that somebody chose stay' '
	[ "$(cipher -o Ciphers=aes256-ctr)" = aes256-ctr ]
	[ "$(cipher -o Ciphers=chacha20-poly1305@openssh.com,aes128-gcm@openssh.com)" = \
		chacha20-poly1305@openssh.com ]'
test_case 'a program that is not OpenSSH is left alone' '
	cat >fake <<-END
	#!/bin/sh
	case " \$* " in *" -G "*) sleep 5 ;; esac
	for word; do case \$word in *Ciphers*) echo "\$word" >"$PWD/told" ;; esac; done
	exec ssh -F $SSH_CONFIG "\$@"
	END
	chmod +x fake
	"$DV" config --local remote.o.sshcommand "$PWD/fake"
	"$DV" push
	[ ! -e told ]'
