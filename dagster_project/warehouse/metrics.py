"""The metrics as dbt declares them: measures of semantic models, and ratios, in dbt/models/marts/_metrics_of_*.yml.

dbt reads semantic models when it has parsed all else, too late for the models that are made from them, which must name
their parents before. So the Hub reads and checks the declarations, and passes them to dbt as variables.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sources.errors import HubError

FILES: Final = "models/marts/_metrics_of_*.yml"
TOTAL: Final = "total"
REF: Final = r"^ref\('(\w+)'\)$"

Model = TypeVar("Model", bound=BaseModel)


class Meta(BaseModel):
    """`config.meta` of a metric: what the Hub does with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    unit: Literal["count", "money", "hours", "share"]
    good_direction: Literal["up", "down"]
    dimensions: tuple[str, ...]
    drives: tuple[str, ...] = ()  # the metrics that it moves
    watch: bool = True
    forecast: bool = False
    rows: str | None = None  # the model of the single rows by booking, where the semantic model has sums


class Metric(BaseModel):
    """What all metrics have."""

    model_config = ConfigDict(frozen=True)
    name: str
    label: str
    description: str
    config: dict[Literal["meta"], Meta]

    @property
    def meta(self) -> Meta:
        """Return what the Hub does with it."""
        return self.config["meta"]


class Measure(Metric):
    """A metric that is aggregated from the rows of a semantic model."""

    agg: Literal["sum", "count"]
    expr: str  # SQL; rows for which it is null do not count
    agg_time_dimension: str  # the dimension of the business day
    create_metric: Literal[True]
    non_additive_dimension: dict[str, Any] | None = None


class Parts(BaseModel):
    """The two metrics of a ratio."""

    numerator: str
    denominator: str


class Ratio(Metric):
    """A metric that is the quotient of two others."""

    type: Literal["ratio"]
    type_params: Parts


class Column(BaseModel):
    """An entity or a dimension. Its column has the same name, unless `expr` names it."""

    name: str
    expr: str | None = None


class SemanticModel(BaseModel):
    """A dbt model, with what its rows can be grouped by and what is measured on them."""

    ref: str = Field(alias="model", pattern=REF)
    entities: list[Column]
    dimensions: list[Column]
    measures: list[Measure] = []


class Declarations(BaseModel):
    """The contents of one file, or of all."""

    semantic_models: list[SemanticModel] = []
    metrics: list[Ratio] = []


def declared(project: Path) -> Declarations:
    """Return the declarations of a dbt project.

    Raises HubError, with the name of the file or metric, for those that are incomplete or contradict each other.
    """
    found = Declarations()
    for path in sorted(project.glob(FILES)):
        try:
            part = Declarations.model_validate(yaml.safe_load(path.read_text()))
        except (ValidationError, yaml.YAMLError) as error:
            raise HubError(f"Metrics of {path.name}: {error}") from None
        found.semantic_models += part.semantic_models
        found.metrics += part.metrics
    _check(found)
    return found


def variables(project: Path) -> dict[str, Any]:
    """Return the variables of dbt that are made from the metrics.

    metric_sums: how each sum and stock is computed. metric_days: the models and their columns with business days.
    metric_properties: what dim_metric says about each metric. Three, so that an edit rebuilds only what it concerns.
    """
    found = declared(project)
    sums = [_sum(model, measure) for model in found.semantic_models for measure in model.measures]
    days = {each["name"]: each["day"] for each in sums}
    measures = [measure for model in found.semantic_models for measure in model.measures]
    return {
        "metric_sums": sums,
        "metric_days": sorted({(each["model"], each["day"]) for each in sums}),
        "metric_properties": [
            *(
                _properties(each, "stock" if each.non_additive_dimension else "sum") | {"day_column": days[each.name]}
                for each in measures
            ),
            *(
                _properties(each, "ratio")
                | each.type_params.model_dump()
                | {"day_column": days[each.type_params.numerator]}
                for each in found.metrics
            ),
        ],
    }


def _sum(model: SemanticModel, measure: Measure) -> dict[str, Any]:
    name = re.sub(REF, r"\1", model.ref)
    columns = {each.name: each.expr or each.name for each in model.dimensions}
    return {
        "name": measure.name,
        "model": name,
        "rows": measure.meta.rows or name,
        "has_booking": bool(measure.meta.rows) or "booking" in {entity.name for entity in model.entities},
        "day": columns[measure.agg_time_dimension],
        "agg": measure.agg,
        "expr": measure.expr,
        "dimensions": measure.meta.dimensions,
    }


def _properties(metric: Metric, kind: str) -> dict[str, Any]:
    meta = metric.meta.model_dump(exclude={"rows"})
    return {"name": metric.name, "label": metric.label, "description": metric.description, "kind": kind, **meta}


def _check(found: Declarations) -> None:
    measures = {measure.name: measure for model in found.semantic_models for measure in model.measures}
    for model in found.semantic_models:
        known = {TOTAL, *(each.name for each in [*model.entities, *model.dimensions])}
        for measure in model.measures:
            named = {*measure.meta.dimensions, measure.agg_time_dimension}
            _refuse(measure, "dimensions that its semantic model lacks", named - known)
    for ratio in found.metrics:
        parts = list(ratio.type_params.model_dump().values())
        _refuse(ratio, "parts that are no measures", set(parts) - measures.keys())
        for part in (measures[name] for name in parts):
            missing = set(ratio.meta.dimensions) - set(part.meta.dimensions)
            _refuse(ratio, f"dimensions that {part.name} lacks", missing)
        days = {measures[name].agg_time_dimension for name in parts}
        _refuse(ratio, "parts by different business days", days if len(days) > 1 else set())
    metrics = [*(measure for model in found.semantic_models for measure in model.measures), *found.metrics]
    names = Counter(metric.name for metric in metrics)
    for metric in metrics:
        _refuse(metric, "a name that another metric has", {metric.name} if names[metric.name] > 1 else set())
        _refuse(metric, "drives that are no metrics", set(metric.meta.drives) - names.keys())


def _refuse(metric: Metric, what: str, wrong: Iterable[str]) -> None:
    if wrong:
        raise HubError(f"The metric {metric.name} has {what}: {', '.join(sorted(wrong))}.")
