#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# OpenStack Swift with its S3 interface: a second S3 server, which refuses conditional requests.
# Debian: swift-proxy swift-account swift-container swift-object memcached. DIR must lie on a file
# system with user attributes (ext4, xfs, btrfs; tmpfs from Linux 6.6).
#
#   SWIFT_RATELIMIT=N   more than N writes in a second are answered 503 SlowDown
. "$(dirname "$0")/common.sh"

backend_conf() {
	cat <<EOF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
workers = 0
user = $(id -un)
swift_dir = $DIR/etc
devices = $DIR/srv
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = WARNING
[pipeline:main]
pipeline = $1-server
[app:$1-server]
use = egg:swift#$1
[$1-replicator]
[$1-updater]
[$1-auditor]
EOF
}

proxy_conf() {
	local limit=
	[ -z "${SWIFT_RATELIMIT:-}" ] || limit=ratelimit
	cat <<EOF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $PORT
workers = 0
user = $(id -un)
swift_dir = $DIR/etc
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth $limit copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
${SWIFT_RATELIMIT:+recheck_container_existence = 1}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$((PORT + 4))
[filter:ratelimit]
use = egg:swift#ratelimit
container_ratelimit_0 = ${SWIFT_RATELIMIT:-1000}
max_sleep_time_seconds = 0
rate_buffer_seconds = 0
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_other = testing
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
EOF
	for name in catch_errors gatekeeper listing_formats bulk copy slo dlo symlink; do
		printf '[filter:%s]\nuse = egg:swift#%s\n' $name $name
	done
}

make_rings() {
	/usr/bin/python3 - "$DIR/etc" "$PORT" <<'EOF'
import sys
from swift.common.ring import RingBuilder
folder, port = sys.argv[1], int(sys.argv[2])
for i, name in enumerate(("account", "container", "object"), 1):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port + i,
                     "replication_ip": "127.0.0.1", "replication_port": port + i,
                     "device": "d1", "weight": 1, "meta": ""})
    builder.rebalance(seed=1)
    builder.get_ring().save("%s/%s.ring.gz" % (folder, name))
EOF
}

all_listen() {
	local i
	for i in 0 1 2 3 4; do
		listening $((PORT + i)) || return 1
	done
}

start_server() {
	local i=0 name
	need swift-proxy-server swift-account-server swift-container-server \
		swift-object-server memcached
	pick_ports 5
	mkdir -p "$DIR/etc" "$DIR/srv/d1"
	printf '[swift-hash]\nswift_hash_path_suffix = dv\nswift_hash_path_prefix = dv\n%s\n' \
		"[storage-policy:0]
name = Policy-0
default = yes
[swift-constraints]
max_file_size = 5368709122" >"$DIR/etc/swift.conf"
	for name in account container object; do
		i=$((i + 1))
		backend_conf $name $((PORT + i)) >"$DIR/etc/$name.conf"
	done
	proxy_conf >"$DIR/etc/proxy.conf"
	make_rings >"$DIR/log/rings.out" 2>&1 || complain "cannot make the rings"
	spawn memcached memcached -u "$(id -un)" -l 127.0.0.1 -p $((PORT + 4)) -U 0 -m 64
	for name in account container object proxy; do
		spawn $name "/usr/bin/swift-$name-server" "$DIR/etc/$name.conf" -v
	done
	await proxy all_listen
	say "S3_ENDPOINT=http://127.0.0.1:$PORT" "S3_PORT=$PORT" "S3_REGION=us-east-1" \
		"S3_ACCESS_KEY=test:tester" "S3_SECRET_KEY=testing" "S3_OTHER_KEY=test:other" \
		"S3_OTHER_SECRET=testing"
}

main "$@"
