"""Forecasts of pass@k for k beyond the samples drawn: difficulty as a posterior, informed by how other
models' curves grow."""

from planner.forecast.predict import Forecast, forecast
from planner.forecast.reference import Reference, from_counts, shipped

__all__ = ["Forecast", "Reference", "forecast", "from_counts", "shipped"]
