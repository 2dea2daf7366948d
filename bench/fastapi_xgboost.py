"""FastAPI with XGBoost's own predict."""

from bench.backends import xgboost_predict
from bench.fastapi_app import make_app

app = make_app(xgboost_predict())
