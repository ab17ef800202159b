#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Where S3 keys come from: every provider over its real wire, renewed in time, and no secret shown.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

need_server metadata
git init -q --template= repo
cd repo || exit 2
dv init -q
echo data >data
dv add -q data
dv remote add -q -d --no-probe s3 s3://bucket/store
export endpoint=$METADATA_URL
dv remote modify --local s3 endpointurl "$METADATA_URL"
dv remote modify --local s3 addressing path
mkdir "$HOME/.aws"
export AWS_EC2_METADATA_SERVICE_ENDPOINT=$METADATA_URL/none AWS_ENDPOINT_URL_STS=$METADATA_URL
unset AWS_EC2_METADATA_DISABLED

# key_is KEY: the remote is asked with this key.
key_is() {
	: >"$METADATA_LOG"
	dv status --remote >out 2>&1 || { cat out; return 1; }
	contains "$METADATA_LOG" "/bucket/store/dv-store.json $1"
	! grep -q "secret-\|token-" out || { cat out; return 1; }
}

# no_key TEXT: there is none, and the failure says TEXT and no secret.
no_key() {
	: >"$METADATA_LOG"
	refused dv status --remote >out 2>&1
	contains out "error: "
	contains out "$1"
	! grep -q "secret-\|token-" out || { cat out; return 1; }
	lacks "$METADATA_LOG" /bucket/
}

control() {
	python3 - "$METADATA_URL/control?$1" <<-END
		import sys, urllib.request
		urllib.request.urlopen(sys.argv[1]).read()
	END
}

# secrets KEY: three words for the environment.
keys() {
	export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=secret-$1
}

test_case 'nothing anywhere: what was looked at is told, in a moment' '
	no_key "there are no credentials for S3"
	contains out "the settings of the remote, the environment (AWS_ACCESS_KEY_ID), profile "
	contains out "instance metadata"
	contains out "anonymous true"
	from=$(date +%s)
	AWS_EC2_METADATA_SERVICE_ENDPOINT=$endpoint/silent no_key "there are no credentials"
	[ $(($(date +%s) - from)) -le 4 ]'

test_case 'the environment, settings, and nobody' '
	(keys ENV; key_is ENV; export AWS_SESSION_TOKEN=token-ENV; key_is ENV)
	dv remote modify --local s3 accesskeyid OWN
	no_key "only half a key"
	dv remote modify --local s3 secretaccesskey secret-OWN
	key_is OWN
	(keys ENV; key_is OWN)
	dv remote modify --local --unset s3 accesskeyid
	dv remote modify --local --unset s3 secretaccesskey
	dv remote modify s3 anonymous true
	key_is nobody
	dv remote modify --unset s3 anonymous'

test_case 'a wrong secret is told with the place that it is from, and not shown' '
	export AWS_ACCESS_KEY_ID=ENV AWS_SECRET_ACCESS_KEY=secret-wrong
	refused dv status --remote 2>err
	contains err "the key is from the environment"
	lacks err secret-
	refused dv status --remote --json 2>err
	lacks err secret-'

test_case 'instance metadata' '
	AWS_EC2_METADATA_SERVICE_ENDPOINT=$endpoint key_is IMDS1
	AWS_EC2_METADATA_SERVICE_ENDPOINT=$endpoint/ key_is IMDS2
	export AWS_EC2_METADATA_SERVICE_ENDPOINT=$endpoint
	(export http_proxy=http://127.0.0.1:1 no_proxy=; refused dv status --remote 2>err; contains "$METADATA_LOG" security-credentials/machine)
	AWS_EC2_METADATA_DISABLED=true no_key "there are no credentials"
	lacks "$METADATA_LOG" latest
	control fail=500
	no_key "there are no credentials"
	control fail='

test_case 'a container' '
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$endpoint/container
	no_key "HTTP 403"
	(export AWS_CONTAINER_AUTHORIZATION_TOKEN=sesame; key_is ECS1)
	echo sesame >token
	(export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$PWD/token; key_is ECS2)
	export AWS_CONTAINER_AUTHORIZATION_TOKEN=sesame
	for bad in http://example.org/x http://127.0.0.1@example.org/x ftp://127.0.0.1/x \
		http://127.0.0.1.example.org/x; do
		AWS_CONTAINER_CREDENTIALS_FULL_URI=$bad no_key "neither https nor on this machine"
	done'

test_case 'web identity, of the environment and of a profile' '
	printf "jwt\n" >jwt
	export AWS_WEB_IDENTITY_TOKEN_FILE=$PWD/jwt
	no_key AWS_ROLE_ARN
	export AWS_ROLE_ARN=arn:aws:iam::1:role/pod
	key_is WEB1
	contains "$METADATA_LOG" "Action=AssumeRoleWithWebIdentity RoleArn=arn:aws:iam::1:role/pod WebIdentityToken=jwt"
	printf wrong >jwt
	no_key "InvalidIdentityToken: the token is not valid"
	lacks out wrong
	rm jwt
	no_key "cannot read the web identity"
	unset AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN
	echo jwt >jwt
	printf "[profile pod]\nrole_arn = arn:pod\nweb_identity_token_file = %s\n" "$PWD/jwt" >~/.aws/config
	AWS_PROFILE=pod key_is WEB2'

test_case 'roles of profiles' '
	cat >~/.aws/config <<-END
		[profile base]
		region = eu-west-1
		[profile one]
		role_arn = arn:one
		source_profile = base
		external_id = a b/c
		duration_seconds = 900
		[profile two]
		role_arn = arn:two
		source_profile = one
		[profile self]
		role_arn = arn:self
		source_profile = self
		[profile env]
		role_arn = arn:env
		credential_source = Environment
		[profile ring]
		role_arn = arn:ring
		source_profile = ring2
		[profile ring2]
		role_arn = arn:ring2
		source_profile = ring
		[profile no]
		role_arn = arn:x/forbidden
		source_profile = base
		[profile lost]
		role_arn = arn:x
		source_profile = gone
		[profile device]
		role_arn = arn:x
		source_profile = base
		mfa_serial = arn:mfa
	END
	printf "[%s]\naws_access_key_id = B\naws_secret_access_key = secret-B\n" base self >~/.aws/credentials
	AWS_PROFILE=one key_is STS1
	contains "$METADATA_LOG" "DurationSeconds=900 ExternalId=a b/c RoleArn=arn:one by=B"
	AWS_PROFILE=two key_is STS3
	contains "$METADATA_LOG" "RoleArn=arn:one by=B"
	contains "$METADATA_LOG" "RoleArn=arn:two by=STS2"
	AWS_PROFILE=self key_is STS4
	contains "$METADATA_LOG" "RoleArn=arn:self by=B"
	(keys ENV; dv remote modify --local s3 profile env; key_is STS5; dv remote modify --local --unset s3 profile)
	contains "$METADATA_LOG" "RoleArn=arn:env by=ENV"
	AWS_PROFILE=ring no_key "too many source_profiles"
	AWS_PROFILE=no no_key "AccessDenied: not for you"
	AWS_PROFILE=lost no_key "there is no profile '"'gone'"'"
	AWS_PROFILE=device no_key "the code of a device"
	AWS_PROFILE=absent no_key "there is no profile '"'absent'"'"'

test_case 'commands that print keys' '
	cat >print <<-END
		#!/bin/sh
		echo "\$0 \$*" >>"$PWD/printed"
		echo "{\"Version\":1,\"AccessKeyId\":\"\$1\",\"SecretAccessKey\":\"secret-\$1\",\"Extra\":{}}"
	END
	chmod +x print
	printf "[default]\ncredential_process = \"%s\" PROC '"'two words'"' ;x\n" "$PWD/print" >~/.aws/config
	rm ~/.aws/credentials
	key_is PROC
	contains printed "print PROC two words ;x"
	dv remote modify --local s3 credentialprocess "$PWD/print SET"
	(keys ENV; key_is SET)
	dv remote modify --local s3 credentialprocess "sh -c \"echo no >&2; exit 7\""
	no_key "status 7: no"
	dv remote modify --local s3 credentialprocess "echo {\\\"SecretAccessKey\\\":\\\"secret-x\\\"}"
	no_key "gave no key"
	dv remote modify --local --unset s3 credentialprocess
	rm ~/.aws/config'

test_case 'one look asks for one key, and for a new one when the server calls it expired' '
	export AWS_EC2_METADATA_SERVICE_ENDPOINT=$endpoint
	: >"$METADATA_LOG"
	dv status --remote
	[ "$(grep -c security-credentials/machine "$METADATA_LOG")" = 1 ]
	next=$(($(grep -o "IMDS[0-9]*" "$METADATA_LOG" | tail -n 1 | tr -d IMDS) + 1))
	control "refuse=IMDS$next"
	: >"$METADATA_LOG"
	dv status --remote
	[ "$(grep -c security-credentials/machine "$METADATA_LOG")" = 2 ]
	contains "$METADATA_LOG" "dv-store.json IMDS$next"
	contains "$METADATA_LOG" "dv-store.json IMDS$((next + 1))"
	control refuse='

test_case 'services in trouble are asked again' '
	control fail=503
	printf "[default]\nrole_arn = arn:one\nsource_profile = base\n[profile base]\naws_access_key_id = B\naws_secret_access_key = secret-B\n" >~/.aws/config
	: >"$METADATA_LOG"
	must_fail 130 timeout --preserve-status -s INT 3 dv status --remote >out 2>&1
	contains out "the token service"
	[ "$(grep -c "RoleArn=arn:one by=B" "$METADATA_LOG")" -ge 2 ]
	control fail='

done_testing
