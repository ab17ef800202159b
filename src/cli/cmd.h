/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command is: one static const dv_cmd, its options one static const table of dv_opt.
 * Everything that knows syntax (the parser, -h, completion, the documentation test) reads
 * these tables and nothing else.
 *
 * To add a command: write cmd_NAME.c that ends in `const dv_cmd dv_cmd_NAME = { … }`, add one
 * line to commands.c, write docs/man/dv-NAME.1.
 */
#ifndef DV_CLI_CMD_H
#define DV_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The groups of `dv help`, in the order in which they are shown. */
#define DV_GROUP_START "start"
#define DV_GROUP_TRACK "track data"
#define DV_GROUP_LOOK "see what there is"
#define DV_GROUP_RUN "run pipelines"
#define DV_GROUP_SHARE "share data"
#define DV_GROUP_KEEP "keep it healthy"
#define DV_GROUP_HELP "settings and help"

/* Exit codes; the mapping from the library's errors is dv_exit_code() in out.h. */
enum dv_exit {
	DV_EXIT_OK = 0,
	DV_EXIT_NO = 1,
	DV_EXIT_FAILED = 2,
	DV_EXIT_PARTLY = 3,
	DV_EXIT_AUTH = 4,
	DV_EXIT_NOREPO = 10,
	DV_EXIT_LOCKED = 11,
	DV_EXIT_DAMAGED = 12,
	DV_EXIT_USAGE = 129,
	DV_EXIT_INTERRUPTED = 130,
};

/* A repeatable string option. The strings point into argv, the array is the parser's. */
typedef struct dv_strlist {
	const char **items;
	size_t len;
} dv_strlist;

enum dv_opt_kind {
	DV_OPT_KIND_END,
	DV_OPT_KIND_FLAG,    /* bool; --name sets, --no-name clears */
	DV_OPT_KIND_INT,     /* int, 0 or more, decimal */
	DV_OPT_KIND_COUNT,   /* the same, 1 or more */
	DV_OPT_KIND_SIZE,    /* uint64_t, decimal, with a suffix K, M, G or T (powers of 1024) */
	DV_OPT_KIND_AMOUNT,  /* the same, 1 or more */
	DV_OPT_KIND_STR,     /* const char *, the last one counts */
	DV_OPT_KIND_STRLIST, /* dv_strlist, all of them in order */
};

typedef struct dv_opt {
	enum dv_opt_kind kind;
	char letter;         /* 0: none */
	const char *name;    /* long name, without dashes */
	size_t offset;       /* of the field in the command's struct */
	const char *argname; /* of the value, for help: "NAME"; NULL for flags */
	const char *help;    /* a phrase: lower case, no full stop */
} dv_opt;

/* offsetof() that does not compile when the field has another type than the option writes. */
#define DV_OPT_AT(type, field, wanted)                                                             \
	(offsetof(type, field) + 0 * sizeof(char[_Generic(((type *)0)->field, wanted: 1)]))

#define DV_OPT_FLAG(letter, name, type, field, help)                                               \
	{ DV_OPT_KIND_FLAG, letter, name, DV_OPT_AT(type, field, bool), NULL, help }
#define DV_OPT_INT(letter, name, type, field, argname, help)                                       \
	{ DV_OPT_KIND_INT, letter, name, DV_OPT_AT(type, field, int), argname, help }
#define DV_OPT_COUNT(letter, name, type, field, argname, help)                                     \
	{ DV_OPT_KIND_COUNT, letter, name, DV_OPT_AT(type, field, int), argname, help }
#define DV_OPT_SIZE(letter, name, type, field, argname, help)                                      \
	{ DV_OPT_KIND_SIZE, letter, name, DV_OPT_AT(type, field, uint64_t), argname, help }
#define DV_OPT_AMOUNT(letter, name, type, field, argname, help)                                    \
	{ DV_OPT_KIND_AMOUNT, letter, name, DV_OPT_AT(type, field, uint64_t), argname, help }
#define DV_OPT_STR(letter, name, type, field, argname, help)                                       \
	{ DV_OPT_KIND_STR, letter, name, DV_OPT_AT(type, field, const char *), argname, help }
#define DV_OPT_STRLIST(letter, name, type, field, argname, help)                                   \
	{ DV_OPT_KIND_STRLIST, letter, name, DV_OPT_AT(type, field, dv_strlist), argname, help }
#define DV_OPT_END                                                                                 \
	{ DV_OPT_KIND_END, 0, NULL, 0, NULL, NULL }

typedef struct dv_cmd dv_cmd;

/* The options that every command has, as given. -C is already done when a command runs. */
typedef struct dv_cli {
	dv_strlist dir;    /* -C DIR, each relative to the one before */
	bool quiet;        /* -q: no progress, no summary; answers and errors stay */
	bool verbose;      /* -v: list every item */
	bool json;         /* --json: one JSON document on stdout */
	bool help;         /* -h */
	bool manual;       /* --help */
	bool version;      /* --version */
	int before_dashes; /* operands before `--`: `dv diff REV -- PATH`; -1 when there is none */
	const char *color; /* --color: auto, always or never; NULL is auto */
	const dv_cmd *cmd; /* the command that runs (of a two-word command, the inner one) */
	const dv_cmd *parent; /* of a two-word command the outer one, else NULL */
} dv_cli;

enum dv_cmd_flag {
	DV_CMD_JSON = 1, /* has a --json form; --json is refused elsewhere */
	DV_CMD_RARE = 2, /* left out of the short list that `dv` alone prints */
	DV_CMD_REST = 4, /* the first operand and all behind it is another program's command */
	DV_CMD_OPERANDS = 8, /* takes operands although it has subcommands */
};

struct dv_cmd {
	const char *name;
	const char *group;    /* a DV_GROUP_…; NULL in a subcommand */
	const char *summary;  /* a phrase: lower case, no full stop, ≤ 50 characters */
	const char *synopsis; /* what follows the name in the usage line; "" for nothing */
	const dv_opt *opts;   /* ends in DV_OPT_END; NULL for none */
	size_t args_size;     /* of the struct that opts are bound to; 0 for none */
	const void *defaults; /* copied to args before parsing; NULL: all zero */
	/* Gets the parsed options and the operands (argv[0] is the first operand, argv[argc] is
	 * NULL); returns an exit code. NULL: only subcommands. */
	int (*run)(dv_cli *cli, void *args, int argc, char **argv);
	const dv_cmd *const *subcommands; /* ends in NULL; NULL for none */
	unsigned flags;                   /* enum dv_cmd_flag */
};

/* All commands in the order of help, grouped, ending in NULL. */
extern const dv_cmd *const dv_commands[];

/* The command of that name in a list ending in NULL, or NULL. */
const dv_cmd *dv_cmd_find(const dv_cmd *const *list, const char *name);

/* `char *dv_cli_autofree s = …;` is freed when it goes out of scope. */
static inline void dv_cli_freep(void *p)
{
	free(*(void **)p);
}
#define dv_cli_autofree __attribute__((cleanup(dv_cli_freep)))

#endif
