#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# nginx serving the files of DIR/www over http and https. Debian: nginx-light.
#
#   /          everybody            /bearer/   with 'Authorization: Bearer TOKEN'
#   /basic/    with user, password  /header/   with 'X-Dataset-Key: TOKEN'
#   /norange/  no ranges            /moved/    a redirect to / of this server
#   /away/     a redirect to another host, whose log is DIR/log/other.log
#   /error/    503 with Retry-After
#
# DIR/log/access.log and other.log hold "METHOD path status authorization" of each request.
. "$(dirname "$0")/common.sh"

TOKEN=dvtesttoken0123456789
PASSWORD=dvtestpassword

nginx_conf() {
	cat <<EOF
daemon off;
master_process off;
worker_processes 1;
pid $DIR/run/nginx.own;
error_log $DIR/log/error.log;
events { worker_connections 512; }
http {
	log_format dv '\$request_method \$request_uri \$status "\$http_authorization" "\$http_x_dataset_key"';
	access_log $DIR/log/access.log dv;
	client_body_temp_path $DIR/run/body;
	proxy_temp_path $DIR/run/proxy;
	fastcgi_temp_path $DIR/run/fastcgi;
	uwsgi_temp_path $DIR/run/uwsgi;
	scgi_temp_path $DIR/run/scgi;
	default_type application/octet-stream;
	sendfile on;
	server {
		listen 127.0.0.1:$PORT;
		listen 127.0.0.1:$((PORT + 1)) ssl http2;
		ssl_certificate $DIR/tls.pem;
		ssl_certificate_key $DIR/tls.key;
		location / { root $DIR/www; }
		location /basic/ {
			auth_basic data;
			auth_basic_user_file $DIR/password;
			alias $DIR/www/;
		}
		location /bearer/ {
			if (\$http_authorization != "Bearer $TOKEN") { return 401; }
			alias $DIR/www/;
		}
		location /header/ {
			if (\$http_x_dataset_key != "$TOKEN") { return 403; }
			alias $DIR/www/;
		}
		location /norange/ { max_ranges 0; alias $DIR/www/; }
		location /moved/ { rewrite ^/moved/(.*)\$ /\$1 redirect; }
		location /away/ {
			rewrite ^/away/(.*)\$ http://localhost:$((PORT + 2))/\$1 redirect;
		}
		location /error/ {
			add_header Retry-After 1 always;
			return 503;
		}
	}
	server {
		listen 127.0.0.1:$((PORT + 2));
		access_log $DIR/log/other.log dv;
		location / { root $DIR/www; }
	}
}
EOF
}

start_server() {
	PATH=$PATH:/usr/sbin
	need nginx openssl
	pick_ports 3
	mkdir -p "$DIR/www"
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
		-keyout "$DIR/tls.key" -out "$DIR/tls.pem" 2>/dev/null ||
		complain "cannot make a certificate"
	echo "dv:$(openssl passwd -apr1 "$PASSWORD")" >"$DIR/password"
	nginx_conf >"$DIR/nginx.conf"
	spawn nginx nginx -e "$DIR/log/error.log" -p "$DIR" -c "$DIR/nginx.conf"
	await nginx listening "$PORT"
	say "HTTP_URL=http://127.0.0.1:$PORT" "HTTP_PORT=$PORT" \
		"HTTPS_URL=https://127.0.0.1:$((PORT + 1))" "HTTPS_CA=$DIR/tls.pem" \
		"HTTP_WWW=$DIR/www" "HTTP_USER=dv" "HTTP_PASSWORD=$PASSWORD" "HTTP_TOKEN=$TOKEN" \
		"HTTP_LOG=$DIR/log/access.log" "HTTP_OTHER_LOG=$DIR/log/other.log"
}

main "$@"
