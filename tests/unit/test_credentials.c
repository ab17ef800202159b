/* SPDX-License-Identifier: Apache-2.0 */
/* S3 keys: which place comes first, what files may hold, what is told when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "folder.h"
#include "remotes/aws_config.h"
#include "remotes/credentials_impl.h"

/* Settings of the remote: key, value, …, NULL. */
static const char *const *settings;

static const char *setting(void *ctx, const char *key)
{
	(void)ctx;
	for (const char *const *s = settings; s && *s; s += 2)
		if (!strcmp(*s, key))
			return s[1];
	return NULL;
}

static const dv_driver_options options = { .name = "r", .setting = setting };

static int clean(void **state)
{
	extern char **environ;
	int rc = setup(state);

	for (char **e = environ; *e;) {
		dv_autofree char *name = strndup(*e, strcspn(*e, "="));

		if (!strncmp(name, "AWS_", 4))
			unsetenv(name);
		else
			e++;
	}
	settings = NULL;
	setenv("HOME", root, 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	return rc ? rc : dv_fs_mkdirs(".aws");
}

static void put(const char *path, const char *text)
{
	ok(dv_fs_write_file(path, text, strlen(text), 0));
}

/* The id of the key that is found, with its secret behind a colon, and the token. */
static const char *key(void)
{
	static char text[600];
	dv_autoptr(dv_credentials) c = NULL;
	dv_auto(dv_s3_key) k = DV_S3_KEY_INIT;
	int rc = dv_credentials_new(&c, &options);

	if (rc == 0)
		rc = dv_credentials_get(c, &k);
	if (rc)
		snprintf(text, sizeof text, "error %d", rc);
	else if (!k.id)
		snprintf(text, sizeof text, "anonymous");
	else
		snprintf(text, sizeof text, "%s:%s%s%s", k.id, k.secret, k.token ? ":" : "",
			 k.token ? k.token : "");
	return text;
}

static bool said(const char *text)
{
	const dv_error *e = dv_error_last();

	return strstr(e->message, text) || strstr(e->hint, text);
}

static void test_order(void **state)
{
	static const char *const own[] = { "accesskeyid", "SI", "secretaccesskey", "SS", NULL };
	static const char *const profile[] = { "profile", "work", NULL };

	(void)state;
	assert_string_equal(key(), "error -5");
	assert_true(said("the environment (AWS_ACCESS_KEY_ID)"));
	assert_true(said("profile 'default'"));
	put(".aws/config", "[default]\naws_access_key_id=CI\naws_secret_access_key=CS\n");
	assert_string_equal(key(), "CI:CS");
	put(".aws/credentials", "[default]\naws_access_key_id = FI\naws_secret_access_key = FS\n"
	    "aws_session_token = FT\n[work]\nAWS_Access_Key_Id=WI\naws_secret_access_key=W=S#;\n");
	assert_string_equal(key(), "FI:FS:FT");
	setenv("AWS_PROFILE", "work", 1);
	assert_string_equal(key(), "WI:W=S#;");
	setenv("AWS_ACCESS_KEY_ID", "EI", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "ES", 1);
	setenv("AWS_PROFILE", "default", 1);
	assert_string_equal(key(), "EI:ES");
	setenv("AWS_SESSION_TOKEN", "ET", 1);
	assert_string_equal(key(), "EI:ES:ET");
	settings = profile;
	assert_string_equal(key(), "WI:W=S#;");
	settings = own;
	assert_string_equal(key(), "SI:SS");
}

static void test_files(void **state)
{
	static const char *const paths[] = { "credentialpath", "mine", NULL };

	(void)state;
	put("c", "[default]\naws_access_key_id=AI\naws_secret_access_key=AS\n");
	setenv("AWS_SHARED_CREDENTIALS_FILE", "c", 1);
	assert_string_equal(key(), "AI:AS");
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	setenv("AWS_CONFIG_FILE", "absent", 1);
	assert_string_equal(key(), "error -5");
	settings = paths;
	assert_string_equal(key(), "error -5");
	assert_true(said("'mine'"));
	put("mine", "[default]\naws_access_key_id=MI\naws_secret_access_key=MS\n");
	assert_string_equal(key(), "MI:MS");
	dv_autofree char *big = calloc(1, DV_AWS_FILE_MAX + 2);
	memset(big, '\n', DV_AWS_FILE_MAX + 1);
	put("mine", big);
	assert_string_equal(key(), "error -1");
	assert_true(said("larger than"));
}

static void test_halves(void **state)
{
	static const char *const half[] = { "accesskeyid", "SECRETID", NULL };

	(void)state;
	setenv("AWS_ACCESS_KEY_ID", "SECRETID", 1);
	assert_string_equal(key(), "error -5");
	assert_true(said("AWS_SECRET_ACCESS_KEY"));
	settings = half;
	assert_string_equal(key(), "error -5");
	assert_true(said("secretaccesskey"));
	assert_false(said("SECRETID"));
	unsetenv("AWS_ACCESS_KEY_ID");
	settings = NULL;
	put(".aws/credentials", "[default]\naws_secret_access_key = HUSH\n");
	assert_string_equal(key(), "error -5");
	assert_true(said("half a key"));
	assert_false(said("HUSH"));
}

static void test_profiles(void **state)
{
	(void)state;
	setenv("AWS_PROFILE", "gone", 1);
	assert_string_equal(key(), "error -5");
	assert_true(said("there is no profile 'gone'"));
	put(".aws/config", "[profile gone]\nsso_start_url = https://x\nsso_region = y\n");
	assert_string_equal(key(), "error -5");
	assert_true(said("SSO"));
	assert_true(said("export-credentials --profile gone"));
}

static void test_anonymous(void **state)
{
	static const char *const yes[] = { "anonymous", "true", NULL };

	(void)state;
	settings = yes;
	assert_string_equal(key(), "anonymous");
	setenv("AWS_ACCESS_KEY_ID", "EI", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "ES", 1);
	assert_string_equal(key(), "EI:ES");
}

static void test_places(void **state)
{
	static const char *const own[] = { "region", "eu-north-1", "endpointurl", "http://set",
					   "addressing", "virtual", NULL };
	static const char *const bad[] = { "region", "x.evil.org/", NULL };
	dv_autoptr(dv_credentials) c = NULL;

	(void)state;
	put(".aws/config", "# a comment\n[default]\nregion = eu-west-1\nservices = here\n"
	    "endpoint_url = http://plain\nca_bundle = /ca\n"
	    "s3 =\n  addressing_style = path\n  max_concurrent_requests = 20\noutput = json\n"
	    "[profile \"two words\"]\nregion = us-west-2\nendpoint_url = http://plain\n"
	    "[services here]\ns3 =\n\tendpoint_url = http://services\n"
	    "sqs =\n\tendpoint_url = http://no\n");
	ok(dv_credentials_new(&c, &options));
	assert_string_equal(dv_credentials_region(c), "eu-west-1");
	assert_string_equal(dv_credentials_endpoint(c), "http://services");
	assert_string_equal(dv_credentials_addressing(c), "path");
	assert_string_equal(dv_credentials_cafile(c), "/ca");
	dv_credentials_free(dv_steal(&c));
	setenv("AWS_PROFILE", "two words", 1);
	ok(dv_credentials_new(&c, &options));
	assert_string_equal(dv_credentials_region(c), "us-west-2");
	assert_string_equal(dv_credentials_endpoint(c), "http://plain");
	assert_null(dv_credentials_addressing(c));
	dv_credentials_free(dv_steal(&c));
	setenv("AWS_DEFAULT_REGION", "ap-1", 1);
	setenv("AWS_REGION", "ap-2", 1);
	setenv("AWS_ENDPOINT_URL", "http://all", 1);
	setenv("AWS_ENDPOINT_URL_S3", "http://s3", 1);
	setenv("AWS_CA_BUNDLE", "/env", 1);
	ok(dv_credentials_new(&c, &options));
	assert_string_equal(dv_credentials_region(c), "ap-2");
	assert_string_equal(dv_credentials_endpoint(c), "http://s3");
	assert_string_equal(dv_credentials_cafile(c), "/env");
	dv_credentials_free(dv_steal(&c));
	settings = own;
	ok(dv_credentials_new(&c, &options));
	assert_string_equal(dv_credentials_region(c), "eu-north-1");
	assert_string_equal(dv_credentials_endpoint(c), "http://set");
	assert_string_equal(dv_credentials_addressing(c), "virtual");
	dv_credentials_free(dv_steal(&c));
	settings = bad;
	assert_int_equal(dv_credentials_new(&c, &options), DV_EUSAGE);
}

static void test_expired(void **state)
{
	dv_autoptr(dv_credentials) c = NULL;
	dv_auto(dv_s3_key) a = DV_S3_KEY_INIT;
	dv_auto(dv_s3_key) b = DV_S3_KEY_INIT;
	char source[DV_CREDENTIALS_SOURCE_ROOM];

	(void)state;
	put(".aws/credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	ok(dv_credentials_new(&c, &options));
	assert_false(dv_credentials_source(c, source));
	ok(dv_credentials_get(c, &a));
	assert_true(dv_credentials_source(c, source));
	assert_string_equal(source, "profile 'default'");
	put(".aws/credentials", "[default]\naws_access_key_id=B\naws_secret_access_key=S\n");
	assert_true(dv_credentials_expired(c, &a));
	ok(dv_credentials_get(c, &b));
	assert_string_equal(b.id, "B");
	dv_s3_key_release(&b);
	/* What is renewed is not renewed again for who still has the old one. */
	put(".aws/credentials", "[default]\naws_access_key_id=C\naws_secret_access_key=S\n");
	assert_true(dv_credentials_expired(c, &a));
	ok(dv_credentials_get(c, &b));
	assert_string_equal(b.id, "B");
}

/* A command that counts how often it ran, and whose key lasts so many seconds. */
static const char *const *counting(long seconds)
{
	static const char *const process[] = { "credentialprocess", "sh ./print", NULL };
	dv_auto(dv_buf) script = DV_BUF_INIT;

	ok(dv_buf_addf(&script, "echo x >>runs\nprintf '{\"Version\":1,\"AccessKeyId\":\"K%%s\","
		       "\"SecretAccessKey\":\"S\",\"SessionToken\":\"T\",\"Expiration\":\"%%s\"}' "
		       "$(wc -l <runs) $(date -u -d '%ld seconds' +%%Y-%%m-%%dT%%H:%%M:%%SZ)\n",
		       seconds));
	put("print", script.p);
	return process;
}

static long runs(void)
{
	struct stat st;

	return stat("runs", &st) ? 0 : (long)st.st_size / 2;
}

static void *get_one(void *arg)
{
	dv_auto(dv_s3_key) k = DV_S3_KEY_INIT;

	return dv_credentials_get(arg, &k) ? NULL : arg;
}

static void test_renewal(void **state)
{
	dv_autoptr(dv_credentials) c = NULL;
	pthread_t threads[8];
	void *result;

	(void)state;
	settings = counting(4);
	ok(dv_credentials_new(&c, &options));
	assert_int_equal(runs(), 0);
	for (size_t round = 1; round <= 2; round++) {
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, get_one, c), 0);
		for (size_t i = 0; i < 8; i++) {
			pthread_join(threads[i], &result);
			assert_ptr_equal(result, c);
		}
		assert_int_equal(runs(), round);
		if (round == 1)
			sleep(3);
	}
	/* One that is good still is used when there is no other to be had. */
	dv_credentials_free(dv_steal(&c));
	settings = counting(8);
	ok(dv_credentials_new(&c, &options));
	assert_non_null(get_one(c));
	put("print", "exit 1\n");
	sleep(5);
	assert_non_null(get_one(c));
}

static void test_times(void **state)
{
	static const char *const bad[] = { "", "x", "2030-01-02", "2030-13-02T03:04:05Z",
					   "2030-01-02T03:04:05", "2030-01-02T03:04:05Zx",
					   "2030-01-02T03:04:05+1", "2030-01-02T24:04:05Z" };
	time_t t = 0;

	(void)state;
	assert_true(dv_aws_time("1970-01-02T00:00:01Z", &t));
	assert_int_equal(t, 86401);
	assert_true(dv_aws_time("2030-01-02T03:04:05.678Z", &t));
	assert_int_equal(t, 1893553445);
	assert_true(dv_aws_time("2030-01-02T05:04:05+02:00", &t));
	assert_int_equal(t, 1893553445);
	assert_true(dv_aws_time("2030-01-01T22:34:05-0430", &t));
	assert_int_equal(t, 1893553445);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(dv_aws_time(bad[i], &t));
}

static void test_odd_json(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "x", "{\"AccessKeyId\":\"HUSH\"}",
		"{\"AccessKeyId\":1,\"SecretAccessKey\":\"HUSH\"}",
		"{\"AccessKeyId\":\"a b\",\"SecretAccessKey\":\"HUSH\"}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"HUSH\\n\"}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"HUSH\",\"Expiration\":\"x\"}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"HUSH\",\"Code\":\"Failed\"}",
		"{\"AccessKeyId\":\"HUSH", "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\"}",
	};
	dv_auto(dv_lease) l = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(dv_lease_from_json(&l, bad[i], strlen(bad[i]), "it"), DV_EAUTH);
		assert_false(said("HUSH"));
		dv_lease_release(&l);
	}
}

static void test_odd_files(void **state)
{
	static const char *const texts[] = {
		"", "[", "[]", "[default", "=", "[default]\n=x\n", "\0\0[default]\0", "[profile]\n",
		"[profile  ]\nx=y", "[default]\nx", "[ default ]\n  = \n", "]\n[\n", "[\"]\na=b",
		"[profile \"]\na=b",
	};
	dv_auto(dv_aws_config) c = DV_AWS_CONFIG_INIT;
	char noise[512];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		ok(dv_aws_config_parse(&c, texts[i], strlen(texts[i]), false));
		ok(dv_aws_config_parse(&c, texts[i], strlen(texts[i]), true));
	}
	for (int i = 0; i < 2000; i++) {
		static const char some[] = "[]= \n\t\"profile default s3#;";

		ok(dv_random(noise, sizeof noise));
		for (size_t k = 0; k < sizeof noise; k++)
			noise[k] = some[(unsigned char)noise[k] % (sizeof some - 1)];
		ok(dv_aws_config_parse(&c, noise, sizeof noise, i & 1));
		dv_aws_config_release(&c);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, clean, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_order), CASE(test_files), CASE(test_halves), CASE(test_profiles),
		CASE(test_anonymous), CASE(test_places), CASE(test_expired), CASE(test_odd_files),
		CASE(test_renewal), CASE(test_times), CASE(test_odd_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
