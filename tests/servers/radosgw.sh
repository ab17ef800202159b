#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Ceph's radosgw, an S3 server, with one monitor and one disk, all on loopback and without
# systemd. Debian: ceph-mon ceph-osd ceph-common radosgw.
#
#   RGW_STORE=memstore   data in memory, at most 2 GiB of it (the default)
#             bluestore  data in a file of DIR
#   RGW_TLS=1            speaks https too; DIR/tls.pem is its certificate
#   RGW_BUSY=N           more than N requests at once are answered 503 SlowDown
#
# DIR must be short: it holds sockets, whose paths are limited to 107 bytes.
. "$(dirname "$0")/common.sh"

KEY=dvtestaccess
SECRET=dvtestsecret0123456789
FSID=8f5b7c1e-2b4a-4b7e-9a53-0c6a1d2e3f40
OSD=1d9f0f2a-6a0b-4c58-8d3b-5e6f7a8b9c0d

ceph_conf() {
	local tls=
	[ -z "${RGW_TLS:-}" ] || tls=" ssl_endpoint=127.0.0.1:$((PORT + 3)) \
ssl_certificate=$DIR/tls.pem ssl_private_key=$DIR/tls.key"
	cat <<EOF
[global]
fsid = $FSID
mon_initial_members = a
mon_host = [v2:127.0.0.1:$((PORT + 1)),v1:127.0.0.1:$((PORT + 2))]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_port_min = $((PORT + 10))
ms_bind_port_max = $((PORT + 39))
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = $DIR/run
crash_dir = $DIR/log
admin_socket = $DIR/run/\$name.asok
log_file = $DIR/log/\$name.log
log_to_stderr = false
err_to_stderr = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 2
osd_pool_default_pgp_num = 2
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
[mon]
mon_data = $DIR/mon
mon_cluster_log_file = $DIR/log/cluster.log
mon_data_avail_crit = 1
mon_data_avail_warn = 2
paxos_propose_interval = 0.05
debug_mon = 0
debug_paxos = 0
debug_rocksdb = 0
[osd]
osd_data = $DIR/osd
osd_objectstore = ${RGW_STORE:-memstore}
memstore_device_bytes = 2147483648
bluestore_block_size = 17179869184
osd_memory_target = 939524096
osd_class_load_list = *
osd_class_default_list = *
debug_osd = 0
debug_bluestore = 0
debug_rocksdb = 0
[client.rgw.a]
ms_mon_client_mode = crc
rgw_frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1$tls
rgw_dns_name = localhost
rgw_thread_pool_size = 32
rgw_max_concurrent_requests = ${RGW_BUSY:-1024}
rgw_enable_usage_log = false
rgw_gc_obj_min_wait = 60
rgw_lc_debug_interval = -1
rgw_data = $DIR/rgw
debug_rgw = 1
EOF
}

certificate() {
	[ -n "${RGW_TLS:-}" ] || return 0
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1' \
		-keyout "$DIR/tls.key" -out "$DIR/tls.pem" 2>/dev/null ||
		complain "cannot make a certificate"
}

rgw_answers() {
	listening "$PORT" && { [ -z "${RGW_TLS:-}" ] || listening $((PORT + 3)); }
}

start_server() {
	local conf=$DIR/ceph.conf addresses
	need ceph-mon ceph-osd ceph radosgw radosgw-admin monmaptool
	[ ${#DIR} -le 80 ] || complain "the name of the folder is too long for sockets"
	pick_ports 4
	rm -rf "$DIR/mon" "$DIR/osd" "$DIR/rgw"
	mkdir -p "$DIR/mon" "$DIR/osd" "$DIR/rgw"
	certificate
	ceph_conf >"$conf"
	addresses="[v2:127.0.0.1:$((PORT + 1)),v1:127.0.0.1:$((PORT + 2))]"
	monmaptool --create --clobber --fsid $FSID --addv a "$addresses" "$DIR/monmap" \
		>"$DIR/log/mon.out" 2>&1 || complain "cannot make the map of monitors"
	ceph-mon -c "$conf" -i a --mkfs --monmap "$DIR/monmap" >>"$DIR/log/mon.out" 2>&1 ||
		complain "cannot make the monitor"
	spawn mon ceph-mon -c "$conf" -i a -f
	await mon listening $((PORT + 1))
	{ timeout 60 ceph -c "$conf" --connect-timeout 20 osd new $OSD &&
		ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid $OSD; } >"$DIR/log/osd.out" 2>&1 ||
		complain "cannot make the disk"
	spawn osd ceph-osd -c "$conf" -i 0 -f
	# Waits for the disk by itself, and makes the pools.
	timeout 90 radosgw-admin -c "$conf" -n client.rgw.a user create --uid=dv \
		--display-name=dv --access-key=$KEY --secret-key=$SECRET \
		>"$DIR/log/admin.out" 2>&1 || complain "cannot make the user"
	radosgw-admin -c "$conf" -n client.rgw.a user create --uid=other --display-name=other \
		--access-key=${KEY}2 --secret-key=$SECRET >>"$DIR/log/admin.out" 2>&1 ||
		complain "cannot make the other user"
	spawn rgw radosgw -c "$conf" -n client.rgw.a -f
	await rgw rgw_answers
	say "S3_ENDPOINT=http://127.0.0.1:$PORT" "S3_PORT=$PORT" "S3_REGION=us-east-1" \
		"S3_ACCESS_KEY=$KEY" "S3_SECRET_KEY=$SECRET" "S3_OTHER_KEY=${KEY}2" \
		"S3_OTHER_SECRET=$SECRET" \
		${RGW_TLS:+"S3_TLS_ENDPOINT=https://127.0.0.1:$((PORT + 3))" "S3_CA=$DIR/tls.pem"}
}

# Nothing in memory is worth the time that a clean end takes.
export STOP_SECONDS=0
[ "${RGW_STORE:-memstore}" = memstore ] || export STOP_SECONDS=5
main "$@"
