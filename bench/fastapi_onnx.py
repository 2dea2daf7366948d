"""FastAPI with the ONNX file that Sluice makes, by ONNX Runtime."""

from bench.backends import onnx_predict
from bench.fastapi_app import make_app

app = make_app(onnx_predict())
