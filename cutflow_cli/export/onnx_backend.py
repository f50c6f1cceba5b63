"""The one place that imports onnx and onnxruntime, which are an optional extra.

Importing this module imports both; the rest of `export` takes them from here.
"""

from __future__ import annotations

from cutflow_cli.errors import UsageError

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as error:
    absent = error.name or "onnx"
    msg = f"--format onnx needs {absent}, which is not installed: pip install 'cutflow-cli[onnx]'"
    raise UsageError(msg) from error

__all__ = ["TensorProto", "checker", "helper", "numpy_helper", "onnx", "onnxruntime"]
