"""Small files of events in every format, for the tests of ingest."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import uproot


def table(rows=10, seed=0):
    """Columns of all the types that formats share."""
    generator = np.random.default_rng(seed)
    return {
        "pt": generator.exponential(50.0, rows).astype(np.float32),
        "mass": generator.normal(91.0, 2.5, rows),
        "n": generator.integers(0, 9, rows).astype(np.int32),
        "q": generator.choice([-1, 1], rows).astype(np.int8),
        "event": np.arange(rows, dtype=np.uint64) + np.uint64(2**60 + 1),
        "w": generator.normal(1.0, 0.2, rows).astype(np.float32),
    }


def write(path, columns, tree="Events"):
    """Write columns in the format that the name says; .rntuple.root gives an RNTuple."""
    if path.suffix == ".root":
        with uproot.recreate(path) as file:
            if path.name.endswith(".rntuple.root"):
                file[tree] = columns
            else:
                file.mktree(tree, {name: np.asarray(values).dtype for name, values in columns.items()})
                file[tree].extend(columns)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        pa_csv.write_csv(pa.table(columns), path)
    return path
