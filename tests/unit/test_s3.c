/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 driver without a server: signatures against the examples that Amazon publishes, what is
 * read of XML, how URLs are built, which parts of a cut upload are sent again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "remotes/s3.h"
#include "remotes/s3_parts.h"
#include "remotes/s3_sign.h"
#include "remotes/s3_xml.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* -- signatures -------------------------------------------------------------------------------- */

static void check_signature(const char *method, const char *path, const char *query,
			    const char *const *headers, size_t n, const char *payload,
			    const char *names, const char *signature)
{
	dv_auto(dv_buf) b = DV_BUF_INIT, want = DV_BUF_INIT;
	const dv_s3_signing s = {
		.method = method, .path = path, .query = query, .headers = headers, .nheaders = n,
		.payload = payload, .date = "20130524T000000Z", .region = "us-east-1",
		.id = "AKIAIOSFODNN7EXAMPLE",
		.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	};

	assert_int_equal(dv_s3_sign(&b, &s), 0);
	dv_buf_addf(&want, "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
		    "aws4_request,SignedHeaders=%s,Signature=%s", names, signature);
	assert_string_equal(dv_buf_str(&b), dv_buf_str(&want));
}

/* "Signature Calculations for the Authorization Header", the four examples. */
static void test_signatures(void **state)
{
	static const char put_hash[] =
		"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
	static const char *const get[] = {
		"Range: bytes=0-9", "Host: examplebucket.s3.amazonaws.com",
		("x-amz-content-sha256: " EMPTY), "x-amz-date: 20130524T000000Z",
	};
	static const char *const put[] = {
		"x-amz-storage-class: REDUCED_REDUNDANCY", "Date: Fri, 24 May 2013 00:00:00 GMT",
		"Host: examplebucket.s3.amazonaws.com",
		("X-Amz-Content-SHA256:  44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8"
		 "b072 "), "x-amz-date: 20130524T000000Z",
	};
	static const char *const plain[] = {
		"Host: examplebucket.s3.amazonaws.com", ("x-amz-content-sha256: " EMPTY),
		"x-amz-date: 20130524T000000Z",
	};
	static const char names[] = "host;x-amz-content-sha256;x-amz-date";

	(void)state;
	check_signature("GET", "/test.txt", "", get, COUNT(get), EMPTY,
			"host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	check_signature("PUT", "/test%24file.text", "", put, COUNT(put), put_hash,
			"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	check_signature("GET", "/", "lifecycle=", plain, COUNT(plain), EMPTY, names,
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	check_signature("GET", "/", "max-keys=2&prefix=J", plain, COUNT(plain), EMPTY, names,
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* RFC 4231, a short key and one that is longer than a block. */
static void test_hmac(void **state)
{
	uint8_t key[131];
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid sum;

	(void)state;
	dv_s3_hmac(&sum, "Jefe", 4, "what do ya want for nothing?", 28);
	dv_oid_hex(hex, &sum);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	dv_s3_hmac(&sum, key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First",
		   54);
	dv_oid_hex(hex, &sum);
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_dates_and_encoding(void **state)
{
	char date[DV_S3_DATE_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	dv_s3_date(date, 1369353600);
	assert_string_equal(date, "20130524T000000Z");
	dv_s3_encode(&b, "a b/c~d+\xc3\xa4&=", true);
	assert_string_equal(dv_buf_str(&b), "a%20b/c~d%2B%C3%A4%26%3D");
	dv_buf_clear(&b);
	dv_s3_encode(&b, "a/b", false);
	assert_string_equal(dv_buf_str(&b), "a%2Fb");
}

static void test_digests(void **state)
{
	dv_s3_digest d;

	(void)state;
	assert_int_equal(dv_s3_digest_bytes(&d, "hello", 5), 0);
	assert_string_equal(d.sha256,
			    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_string_equal(d.md5, "XUFAKrxLKna5cZ2REBfFkg==");
	assert_string_equal(d.etag, "5d41402abc4b2a76b9719d911017c592");
	assert_int_equal(dv_s3_digest_bytes(&d, "", 0), 0);
	assert_string_equal(d.sha256, EMPTY);
	assert_string_equal(d.md5, "1B2M2Y8AsgTpgAmY7PhCfg==");
}

/* -- URLs -------------------------------------------------------------------------------------- */

static void check_url(const char *url, const char *endpoint, const char *addressing,
		      const char *region, const char *key, const char *query, const char *want)
{
	dv_auto(dv_s3_place) p = { .bucket = NULL };
	dv_auto(dv_s3_address) a = { .url = DV_BUF_INIT };

	assert_int_equal(dv_s3_place_parse(&p, url, endpoint, addressing), 0);
	assert_int_equal(dv_s3_address_of(&a, &p, region, key, query), 0);
	assert_string_equal(dv_buf_str(&a.url), want);
	/* Host and path, which are signed, are those of the URL. */
	assert_non_null(strstr(want, dv_buf_str(&a.host)));
	assert_non_null(strstr(want, dv_buf_str(&a.path)));
}

static void test_urls(void **state)
{
	(void)state;
	check_url("s3://buck-et/a/b/", NULL, NULL, "eu-west-1", "a/b/log/1", "",
		  "https://buck-et.s3.eu-west-1.amazonaws.com/a/b/log/1");
	check_url("s3://bucket", NULL, "auto", "cn-north-1", NULL, "list-type=2",
		  "https://bucket.s3.cn-north-1.amazonaws.com.cn/?list-type=2");
	check_url("s3://bu.cket/p", NULL, NULL, "us-east-1", "p/x", "",
		  "https://s3.us-east-1.amazonaws.com/bu.cket/p/x");
	check_url("s3://Bucket/p", NULL, NULL, "us-east-1", "p/x", "",
		  "https://s3.us-east-1.amazonaws.com/Bucket/p/x");
	check_url("s3://bucket/p", "http://Localhost:9000/", NULL, "r", "p/x", "uploads=",
		  "http://localhost:9000/bucket/p/x?uploads=");
	check_url("s3://bucket/p", "https://h:443/v1/s3", NULL, "r", NULL, "",
		  "https://h/v1/s3/bucket");
	check_url("s3://bucket/p", "http://h:80", "virtual", "r", NULL, "", "http://bucket.h/");
	check_url("s3://bucket/p", "http://h:443", "virtual", "r", "k", "", "http://bucket.h:443/k");
	check_url("s3://bucket/p q", "http://[::1]:1", "path", "r", "p q/x", "",
		  "http://[::1]:1/bucket/p%20q/x");
	check_url("s3://bucket/p", "https://s3.us-east-1.amazonaws.com", NULL, "r", "k", "",
		  "https://bucket.s3.us-east-1.amazonaws.com/k");
	check_url("s3://bucket", NULL, "path", "us-east-1", NULL, "",
		  "https://s3.us-east-1.amazonaws.com/bucket");
}

static void test_bad_urls(void **state)
{
	static const char *const urls[] = {
		"s3://", "s3:///p", "s3://-bucket/p", "s3://id:secret@bucket/p", "s3://b/p",
		"s3://bucket/../x", "s3://bucket/a//b", "s3://bucket/a/./b", "s3://bucket/a\nb",
		"s3://bu..cket", "s4://bucket", "s3://bucket:80/p",
	};
	static const char *const endpoints[] = {
		"ftp://h", "h", "http://", "http:///x", "http://-h", "http://u:p@h", "http://h?x",
		"http://h#x", "http://h x", "http://h/../x", "http://:80", "http://h\r\nX: y",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		dv_auto(dv_s3_place) p = { .bucket = NULL };

		assert_int_equal(dv_s3_place_parse(&p, urls[i], NULL, NULL), DV_EUSAGE);
		assert_null(strstr(dv_error_last()->hint, "secret"));
	}
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		dv_auto(dv_s3_place) p = { .bucket = NULL };

		assert_int_equal(dv_s3_place_parse(&p, "s3://bucket", endpoints[i], NULL), DV_EUSAGE);
	}
	assert_true(dv_s3_region_is_valid("us-east-1"));
	assert_false(dv_s3_region_is_valid("us.evil.example/"));
	assert_false(dv_s3_region_is_valid(""));
}

/* -- XML --------------------------------------------------------------------------------------- */

static int note(const char *path, const char *text, void *payload)
{
	return dv_buf_addf(payload, "%s=%s;", path, text);
}

static void check_xml(const char *xml, const char *want)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	assert_int_equal(dv_xml_scan(xml, strlen(xml), note, &b), 0);
	assert_string_equal(dv_buf_str(&b), want);
}

static void test_xml(void **state)
{
	(void)state;
	check_xml("<a/>", "a=;");
	check_xml("\xef\xbb\xbf<?xml version=\"1.0\"?>\n<a>\n <b>x</b> <b/>\n</a>\n",
		  "a/b=x;a/b=;a=;");
	check_xml("<s3:a xmlns:s3='http://x/>'><s3:b>1 &lt;2&gt;&amp;&quot;&apos;&#65;&#x20ac;</s3:b>"
		  "</s3:a>", "a/b=1 <2>&\"'A\xe2\x82\xac;a=;");
	check_xml("<a><!-- <b>no</b> --><c>x<![CDATA[<&]]>y</c></a >", "a/c=x<&y;a=;");
	check_xml("<a b=\"/\">t</a>", "a=t;");
}

static void test_bad_xml(void **state)
{
	static const char *const bad[] = {
		"", "x", "<", "<a", "<a>", "</a>", "<a></b>", "<a></a><b/>", "<a>&no;</a>", "<a>&",
		"<a>&#0;</a>", "<a>&#xd800;</a>", "<a>&#99999999;</a>", "<a>&#;</a>", "<a>&#x;</a>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "<a><![CDATA[x</a>", "<a><!-- </a>",
		"<a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>", "< a/>", "<>",
		"<a></a", "<a>x</a>y", "<?xml",
		"<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/>",
	};
	dv_auto(dv_buf) b = DV_BUF_INIT, long_text = DV_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (dv_xml_scan(bad[i], strlen(bad[i]), note, &b) != DV_ERROR)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(dv_xml_scan("<a>x\0y</a>", 10, note, &b), DV_ERROR);
	dv_buf_adds(&long_text, "<a>");
	for (int i = 0; i < 20000; i++)
		dv_buf_addc(&long_text, 'x');
	dv_buf_adds(&long_text, "</a>");
	assert_int_equal(dv_xml_scan(long_text.p, long_text.n, note, &b), DV_ERROR);
}

static int stop(const char *path, const char *text, void *payload)
{
	(void)path, (void)text, (void)payload;
	return 7;
}

static void test_error_documents(void **state)
{
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_error e;

	(void)state;
	assert_int_equal(dv_xml_scan("<a/>", 4, stop, NULL), 7);
	dv_buf_adds(&a.body, "<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>a\033[1mb"
			     "</Message><Region>eu-west-1</Region></Error>");
	dv_s3_error_parse(&e, &a);
	assert_string_equal(e.code, "NoSuchKey");
	assert_string_equal(e.message, "a[1mb");
	assert_string_equal(e.region, "eu-west-1");
	/* A region that could lead elsewhere does not count. */
	dv_buf_adds(&a.headers, "x-amz-bucket-region: evil.example/\n");
	dv_s3_error_parse(&e, &a);
	assert_string_equal(e.region, "");
	dv_buf_clear(&a.body);
	dv_buf_adds(&a.body, "<html>oops");
	dv_s3_error_parse(&e, &a);
	assert_string_equal(e.code, "");
}

/* -- parts ------------------------------------------------------------------------------------- */

static void test_parts(void **state)
{
	static const uint64_t sizes[] = { 1, (uint64_t)16 << 20, (uint64_t)5 << 30,
					  (uint64_t)160000 << 20, ((uint64_t)160000 << 20) + 1,
					  (uint64_t)5 << 40 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint64_t part = dv_s3_part_size(sizes[i]);

		/* Amazon wants 5 MiB at least of all but the last. */
		assert_true(part % (1 << 20) == 0);
		assert_true(sizes[i] <= DV_S3_SINGLE_MAX || part >= (uint64_t)12 << 20);
		assert_true((sizes[i] + part - 1) / part <= DV_S3_PARTS_MAX);
	}
	assert_int_equal(dv_s3_part_size((uint64_t)5 << 30), DV_S3_PART_SIZE);
	assert_int_equal(dv_s3_part_size(DV_S3_SINGLE_MAX + 1), (uint64_t)13 << 20);
}

static void test_which_parts_stay(void **state)
{
	static const char md5[] = "5d41402abc4b2a76b9719d911017c592";
	dv_s3_part p = { .number = 1, .size = 5 };
	char etag[DV_S3_ETAG_ROOM];

	(void)state;
	dv_s3_etag_plain(p.etag, "\"5D41402abc4b2a76b9719d911017c592\"");
	assert_true(dv_s3_part_is_there(&p, 5, md5));
	assert_false(dv_s3_part_is_there(&p, 6, md5));
	assert_false(dv_s3_part_is_there(&p, 5, "5d41402abc4b2a76b9719d911017c593"));
	/* Without MD5 nothing can be known again. */
	p.etag[0] = '\0';
	assert_false(dv_s3_part_is_there(&p, 5, ""));
	dv_s3_etag_plain(etag, "abc-2");
	assert_string_equal(etag, "abc-2");
	/* What would break the XML that completes the upload. */
	dv_s3_etag_plain(etag, "\"a</ETag>\"");
	assert_string_equal(etag, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures), cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_dates_and_encoding), cmocka_unit_test(test_digests),
		cmocka_unit_test(test_urls), cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_xml), cmocka_unit_test(test_bad_xml),
		cmocka_unit_test(test_error_documents), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_which_parts_stay),
	};

	return cmocka_run_group_tests_name("s3", tests, NULL, NULL);
}
