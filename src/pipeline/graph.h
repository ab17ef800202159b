/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which stage needs which: an edge goes from a stage to every other one that makes what it depends
 * on, be it the same path, a folder around it or something inside it. Pure: no file is looked at.
 */
#ifndef DV_PIPELINE_GRAPH_H
#define DV_PIPELINE_GRAPH_H

#include "pipeline/stage.h"

/** Edges of all nodes, those of node i from at[i] to at[i + 1]. */
typedef struct dv_edges {
	size_t *at, *to;
} dv_edges;

typedef struct dv_graph {
	const dv_pipeline *p;	/* its stages are the nodes, by index */
	size_t n;
	dv_edges producers;	/* in the order of the stage's dependencies */
	dv_edges consumers;	/* in the order of the files */
} dv_graph;
#define DV_GRAPH_INIT { 0 }
void dv_graph_release(dv_graph *g);

/** Builds the graph. DV_ERROR, pointing into a file: a path that two stages make or one that lies
 *  in what another makes, also when a pointer tracks it, and a circle. Borrows the pipeline. */
int dv_graph_build(dv_graph *g, const dv_pipeline *p, const dv_output_list *pointers)
	DV_MUST_CHECK;

enum dv_graph_reach {
	DV_REACH_UP,		/* the stages and all that they need */
	DV_REACH_ONLY,		/* the stages alone */
	DV_REACH_DOWN,		/* the stages and all that need them */
	DV_REACH_ALL_AROUND,	/* all stages that are connected with them */
};
/** The chosen stages and those in reach, every one behind what it needs; otherwise in the order of
 *  the files. Nothing is reached through a frozen stage's dependencies. `chosen` has a flag for
 *  every stage; *order is the caller's (free). */
int dv_graph_order(const dv_graph *g, const bool *chosen, enum dv_graph_reach reach, size_t **order,
		   size_t *n) DV_MUST_CHECK;

#endif
