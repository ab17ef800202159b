#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# OpenSSH's sshd on loopback with keys, accounts and settings of its own. Debian: openssh-server.
# 'ssh -F $SSH_CONFIG ACCOUNT' reaches, with SSH_ROOT as a folder for data:
#
#   full      the user who started it: any command, and sftp
#   sftponly  the same user, but sftp is all that he may do
#   chroot    nobody, sftp only, in a root of its own; may write in /data
#   readonly  backup, sftp only, in the same root, may write nothing
#   minimal   games, sftp without extensions (no posix-rename, fsync, hardlink, statvfs, limits)
#
# The last three need root: SSH_ACCOUNTS says which there are. The far side finds programs in
# SSHD_PATH when it is set. SSHD_EXTRA adds lines to the settings.
. "$(dirname "$0")/common.sh"

ME=$(id -un)

chroot_folder() {
	echo "/srv/dv-test-sshd-$(cat "$DIR/port" 2>/dev/null)"
}

make_keys() {
	local name
	mkdir -p "$DIR/keys"
	chmod 700 "$DIR/keys"
	for name in host full sftponly chroot readonly minimal; do
		[ -f "$DIR/keys/$name" ] ||
			ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$DIR/keys/$name"
	done
	[ -f "$DIR/keys/host-ecdsa" ] ||
		ssh-keygen -q -t ecdsa -N '' -C host -f "$DIR/keys/host-ecdsa"
}

# sshd reads the keys as the account itself, so they lie where everybody may look.
authorize() {
	local keys=$1
	mkdir -p "$keys"
	{
		cat "$DIR/keys/full.pub"
		printf 'restrict,command="internal-sftp" '
		cat "$DIR/keys/sftponly.pub"
	} >"$keys/$ME"
	[ "$(id -u)" = 0 ] || return 0
	cp "$DIR/keys/chroot.pub" "$keys/nobody"
	cp "$DIR/keys/readonly.pub" "$keys/backup"
	cp "$DIR/keys/minimal.pub" "$keys/games"
	chmod 644 "$keys"/*
}

client_config() {
	local name user type
	for name in full sftponly chroot readonly minimal; do
		case $name in
		chroot) user=nobody ;;
		readonly) user=backup ;;
		minimal) user=games ;;
		*) user=$ME ;;
		esac
		printf 'Host %s\n\tUser %s\n\tIdentityFile %s\n' "$name" "$user" "$DIR/keys/$name"
	done
	cat <<EOF
Host *
	HostName 127.0.0.1
	Port $PORT
	IdentitiesOnly yes
	BatchMode yes
	StrictHostKeyChecking yes
	UserKnownHostsFile $DIR/known_hosts
	GlobalKnownHostsFile /dev/null
	LogLevel ERROR
EOF
	for type in host host-ecdsa; do
		echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 "$DIR/keys/$type.pub")"
	done >"$DIR/known_hosts"
}

server_config() {
	cat <<EOF
ListenAddress 127.0.0.1
Port $PORT
HostKey $DIR/keys/host
HostKey $DIR/keys/host-ecdsa
PidFile none
AuthorizedKeysFile $1/%u
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers $ME nobody backup games
Subsystem sftp internal-sftp
MaxStartups 200
MaxSessions 64
MaxAuthTries 20
UseDNS no
PrintMotd no
PrintLastLog no
LogLevel VERBOSE
EOF
	[ -z "${SSHD_PATH:-}" ] || echo "SetEnv PATH=$SSHD_PATH"
	[ -z "${SSHD_EXTRA:-}" ] || printf '%s\n' "$SSHD_EXTRA"
	[ "$(id -u)" = 0 ] || return 0
	cat <<EOF
Match User nobody
	ChrootDirectory $2
	ForceCommand internal-sftp -d /data
	DisableForwarding yes
Match User backup
	ChrootDirectory $2
	ForceCommand internal-sftp -R
	DisableForwarding yes
Match User games
	ChrootDirectory $2
	ForceCommand internal-sftp -d /data-minimal -P posix-rename,fsync,hardlink,statvfs,fstatvfs,copy-data,lsetstat,expand-path,limits
	DisableForwarding yes
EOF
}

start_server() {
	local accounts="full sftponly" root=$DIR keys=$DIR/authorized
	PATH=$PATH:/usr/sbin:/usr/lib/openssh
	need sshd ssh ssh-keygen
	pick_ports 1
	echo "$PORT" >"$DIR/port"
	make_keys
	mkdir -p "$DIR/home"
	if [ "$(id -u)" = 0 ]; then
		# Every folder above a root must be root's alone, and /tmp is not.
		keys=$(chroot_folder)/keys
		root=$(chroot_folder)/root
		accounts="full sftponly chroot readonly minimal"
		mkdir -p /run/sshd "$root/data" "$root/data-minimal"
		chmod 755 /run/sshd "$(chroot_folder)" "$root"
		chown nobody "$root/data"
		chown games "$root/data-minimal"
	fi
	authorize "$keys"
	client_config >"$DIR/ssh_config"
	server_config "$keys" "$root" >"$DIR/sshd_config"
	"$(command -v sshd)" -t -f "$DIR/sshd_config" || complain "wrong settings"
	spawn sshd "$(command -v sshd)" -D -e -f "$DIR/sshd_config"
	await sshd listening "$PORT"
	say "SSH_PORT=$PORT" "SSH_USER=$ME" "SSH_CONFIG=$DIR/ssh_config" "SSH_KEYS=$DIR/keys" \
		"SSH_KNOWN_HOSTS=$DIR/known_hosts" "SSH_HOME=$DIR/home" "SSH_ROOT=$root" \
		"SSH_ACCOUNTS='$accounts'"
}

stop_server() {
	case $(chroot_folder) in
	/srv/dv-test-sshd-[0-9]*) rm -rf "$(chroot_folder)" ;;
	esac
}

main "$@"
