/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: once over nothing, then over every file named, and over
 * every file in every folder named. Exits 1 when a file cannot be read.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX ((size_t)16 << 20)

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return 1;
	}
	uint8_t *data = malloc(INPUT_MAX);
	size_t size = data ? fread(data, 1, INPUT_MAX, file) : 0;
	int failed = !data || ferror(file);
	fclose(file);
	if (failed) {
		perror(path);
	} else {
		/* A block of the exact size lets a sanitizer see the first byte too many. */
		uint8_t *exact = malloc(size ? size : 1);
		for (size_t i = 0; exact && i < size; i++)
			exact[i] = data[i];
		if (exact)
			LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	free(data);
	return failed;
}

static int run_folder(const char *path)
{
	DIR *folder = opendir(path);
	if (!folder) {
		perror(path);
		return 1;
	}
	int failed = 0;
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		char name[4096];
		int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] == '.' || length < 0 || (size_t)length >= sizeof(name))
			continue;
		failed |= run_file(name);
	}
	closedir(folder);
	return failed;
}

int main(int argc, char **argv)
{
	uint8_t nothing = 0;
	int failed = 0;

	LLVMFuzzerTestOneInput(&nothing, 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			failed |= run_folder(argv[i]);
		else
			failed |= run_file(argv[i]);
	}
	return failed;
}
