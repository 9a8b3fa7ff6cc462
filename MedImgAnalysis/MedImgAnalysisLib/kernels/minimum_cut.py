"""The cheapest cut of a graph between two kinds of nodes."""

from __future__ import annotations

import numpy as np

from ..progress import SILENT, Progress, waited

SCALE = 1 << 16
"""Costs are whole numbers for the flow: the largest finite one becomes this."""


def minimum_cut(
    first: np.ndarray, second: np.ndarray, weight: np.ndarray, source: np.ndarray, sink: np.ndarray,
    progress: Progress = SILENT,
) -> np.ndarray:  # fmt: skip
    """Boolean (N,): which nodes stay with the source in the cut of least cost.

    Parameters
    ----------
    first, second, weight
        Edges (E,): the cost, at least 0, of parting two nodes; each pair once.
    source, sink
        (N,) cost of parting a node from the source and from the sink; infinite for seeds.

    Solved as maximum flow by Dinic's algorithm on costs rounded to 1 / 65,536 of the largest one. The cut is the
    smallest side of the source.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n = len(source)
    finite = [c[np.isfinite(c)] for c in (weight, source, sink)]
    largest = max((float(c.max()) for c in finite if c.size), default=1.0) or 1.0
    # More than all finite costs at one node together, and the sum of a few still fits in 32 bits.
    never = np.int64(1 << 30)

    def whole(cost: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(cost), np.rint(np.where(np.isfinite(cost), cost, 0) / largest * SCALE), never)

    costs = whole(weight)
    nodes = np.arange(n)
    rows = np.concatenate([first, second, np.full(n, n), nodes])
    columns = np.concatenate([second, first, nodes, np.full(n, n + 1)])
    values = np.concatenate([costs, costs, whole(source), whole(sink)]).astype(np.int32)
    graph = coo_matrix((values, (rows, columns)), (n + 2, n + 2), dtype=np.int32).tocsr()
    flow = waited(maximum_flow, graph, n, n + 1, progress=progress).flow
    residual = graph - flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, n, directed=True, return_predecessors=False)
    with_source = np.zeros(n + 2, bool)
    with_source[reached] = True
    return np.asarray(with_source[:n])
