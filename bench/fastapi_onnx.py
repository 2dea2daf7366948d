"""FastAPI with the model file that Sluice serves."""

from bench.backends import onnx_predict
from bench.fastapi_app import make_app

app = make_app(onnx_predict())
