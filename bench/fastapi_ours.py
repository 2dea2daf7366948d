"""FastAPI with the model as Sluice serves it."""

from bench.backends import our_predict
from bench.fastapi_app import make_app

app = make_app(our_predict())
