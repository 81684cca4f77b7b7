"""The metrics as dbt declares them: measures of semantic models, and ratios, in dbt/models/marts/_metrics_of_*.yml.

dbt reads semantic models when it has parsed all else, too late for the models that are made from them, which must name
their parents before. So the Hub reads and checks the declarations, and passes them to dbt as variables.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sources.errors import HubError

FILES: Final = "models/marts/_metrics_of_*.yml"
TOTAL: Final = "total"
# The dimensions that a metric can have beside the total, with the column of each in the semantic models.
DIMENSION_COLUMNS: Final = {
    "service": "service_id",
    "provider": "provider_id",
    "client_group": "client_group",
    "channel": "channel",
    "service_weekday": "service_weekday",
    "lead_bucket": "lead_bucket",
    "status_group": "status_group",
}
SUMMED: Final = ("sum", "count")  # aggregations that can be added up over days; an average is the quotient of both
# The SQL of the others, on the column `measured`.
UNSUMMED: Final = {
    "median": "percentile_cont(0.5) within group (order by measured)",
    "count_distinct": "count(distinct measured)",
}
KINDS: Final = {"sum": "sum", "count": "sum", "average": "ratio", "median": "median", "count_distinct": "distinct"}
REF: Final = r"^ref\('(\w+)'\)$"


class Meta(BaseModel):
    """`config.meta` of a metric: what the Hub does with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    unit: Literal["count", "money", "hours", "days", "score", "share"]
    good_direction: Literal["up", "down"]
    dimensions: tuple[str, ...]
    drives: tuple[str, ...] = ()  # the metrics that it moves
    watch: bool = True
    forecast: bool = False
    final_after: int = Field(default=0, ge=0)  # days within which it counts what becomes of the rows of a day
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

    agg: Literal["sum", "count", "average", "median", "count_distinct"]
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


class ModelMeta(BaseModel):
    """`config.meta` of a semantic model."""

    model_config = ConfigDict(extra="forbid")
    days_of_calendar: bool = False  # the model is made from dim_date, which therefore cannot be made from it


class SemanticModel(BaseModel):
    """A dbt model, with what its rows can be grouped by and what is measured on them."""

    ref: str = Field(alias="model", pattern=REF)
    config: dict[Literal["meta"], ModelMeta] = {"meta": ModelMeta()}
    entities: list[Column]
    dimensions: list[Column]
    measures: list[Measure] = []

    @property
    def columns(self) -> dict[str, str]:
        """Return the column of each entity and dimension."""
        return {each.name: each.expr or each.name for each in [*self.entities, *self.dimensions]}

    def day_column(self, measure: Measure) -> str:
        """Return the column with the business day of one of its measures."""
        return self.columns[measure.agg_time_dimension]


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

    metric_sums: how each metric of kpi_daily is computed. metric_values: the same of those that days do not add up to.
    metric_days: the models and columns with the business days that dim_date must have. metric_properties: what
    dim_metric says about each metric. dimension_columns: the column of each dimension. They are several, so that an
    edit rebuilds only what it concerns.
    """
    found = declared(project)
    pairs = [(model, measure) for model in found.semantic_models for measure in model.measures]
    computed = [_computed(model, measure) for model, measure in pairs]
    days = {each["name"]: each["day"] for each in computed}
    return {
        "dimension_columns": DIMENSION_COLUMNS,
        "metric_sums": [part for each in computed for part in _summed(each)],
        "metric_values": [
            each | {"aggregation": UNSUMMED[each["agg"]]} for each in computed if each["agg"] in UNSUMMED
        ],
        "metric_days": sorted(
            {
                (each["model"], each["day"])
                for (model, _), each in zip(pairs, computed, strict=True)
                if not model.config["meta"].days_of_calendar
            }
        ),
        "metric_properties": [
            *(row | {"day_column": days[measure.name]} for _, measure in pairs for row in _described(measure)),
            *(
                _properties(ratio, "ratio", **ratio.type_params.model_dump())
                | {"day_column": days[ratio.type_params.numerator]}
                for ratio in found.metrics
            ),
        ],
    }


def _computed(model: SemanticModel, measure: Measure) -> dict[str, Any]:
    name = re.sub(REF, r"\1", model.ref)
    return {
        "name": measure.name,
        "model": name,
        "rows": measure.meta.rows or name,
        "has_booking": bool(measure.meta.rows) or "booking" in {entity.name for entity in model.entities},
        "day": model.day_column(measure),
        "agg": measure.agg,
        "kind": "stock" if measure.non_additive_dimension else KINDS[measure.agg],
        "expr": measure.expr,
        "dimensions": measure.meta.dimensions,
        "final_after": measure.meta.final_after,
    }


def _summed(computed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what kpi_daily has of a measure: itself, or the sum and the count of an average; nothing of others."""
    if computed["agg"] == "average":
        return [computed | {"name": part_name(computed["name"], agg), "agg": agg} for agg in SUMMED]
    return [computed] if computed["agg"] in SUMMED else []


def part_name(average: str, agg: str) -> str:
    """Return the name of the sum or the count of an average."""
    return f"{average}_{agg}"


def _described(measure: Measure) -> list[dict[str, Any]]:
    """Return what dim_metric says of a measure; of an average also its sum and its count."""
    if measure.agg != "average":
        kind = "stock" if measure.non_additive_dimension else KINDS[measure.agg]
        return [_properties(measure, kind)]
    sums, counts = (
        _properties(measure, "sum")
        | {
            "name": part_name(measure.name, agg),
            "label": f"{measure.label}: {agg}",
            "description": f"The {agg} of the values of which {measure.name} is the mean.",
            "unit": unit,
            "drives": (),
            "watch": False,
            "forecast": False,
        }
        for agg, unit in zip(SUMMED, (measure.meta.unit, "count"), strict=True)
    )
    return [sums, counts, _properties(measure, "ratio", numerator=sums["name"], denominator=counts["name"])]


def _properties(metric: Metric, kind: str, **parts: str) -> dict[str, Any]:
    meta = metric.meta.model_dump(exclude={"rows"})
    return {
        "name": metric.name,
        "label": metric.label,
        "description": metric.description,
        "kind": kind,
        **meta,
        **parts,
    }


def _check(found: Declarations) -> None:
    models = {measure.name: (model, measure) for model in found.semantic_models for measure in model.measures}
    for model in found.semantic_models:
        columns = model.columns
        for measure in model.measures:
            dimensions = set(measure.meta.dimensions) - {TOTAL}
            missing = {*dimensions, measure.agg_time_dimension} - columns.keys()
            _refuse(measure, "dimensions that its semantic model lacks", missing)
            others = {name for name in dimensions if columns[name] != DIMENSION_COLUMNS.get(name)}
            known = ", ".join(f"{name} (column {column})" for name, column in DIMENSION_COLUMNS.items())
            _refuse(measure, f"dimensions that are none of {known}", others)
            if measure.agg in UNSUMMED:
                flags = {name for name in ("watch", "forecast") if getattr(measure.meta, name)}
                _refuse(measure, f"no value of a day, as {measure.agg} cannot be added up, but", flags)
    summed = {name for name, (_, measure) in models.items() if measure.agg in SUMMED}
    for ratio in found.metrics:
        parts = list(ratio.type_params.model_dump().values())
        _refuse(ratio, "parts that are no sums or counts", set(parts) - summed)
        for _, part in (models[name] for name in parts):
            missing = set(ratio.meta.dimensions) - set(part.meta.dimensions)
            _refuse(ratio, f"dimensions that {part.name} lacks", missing)
        days = {model.day_column(part) for model, part in (models[name] for name in parts)}
        _refuse(ratio, "parts by different business days", days if len(days) > 1 else set())
        younger = {
            part.name for _, part in (models[name] for name in parts) if part.meta.final_after > ratio.meta.final_after
        }
        _refuse(ratio, "parts that are final later than itself", younger)
    metrics = [*(measure for model in found.semantic_models for measure in model.measures), *found.metrics]
    names = Counter(metric.name for metric in metrics)
    for metric in metrics:
        _refuse(metric, "a name that another metric has", {metric.name} if names[metric.name] > 1 else set())
        _refuse(metric, "drives that are no metrics", set(metric.meta.drives) - names.keys())
        is_forecast_share = metric.meta.unit == "share" and metric.meta.forecast
        _refuse(
            metric,
            "a forecast with two decimals, which are too few for its unit",
            {"share"} if is_forecast_share else (),
        )
        if metric.meta.final_after:
            flags = {name for name in ("watch", "forecast") if getattr(metric.meta, name)}
            _refuse(metric, "last days that are not final, but", flags)


def _refuse(metric: Metric, what: str, wrong: Iterable[str]) -> None:
    if wrong:
        raise HubError(f"The metric {metric.name} has {what}: {', '.join(sorted(wrong))}.")
