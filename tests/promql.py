"""What the queries of dashboards and alerts name, and what a page of metrics has."""

import re
from dataclasses import dataclass, field
from typing import Any

import promql_parser

Exported = dict[str, dict[str, set[str]]]
"""Labels of each exported metric, with their values."""

SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? \S+$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Query:
    """What an expression names."""

    metrics: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    matched: set[tuple[str, str, str]] = field(default_factory=set)
    """Metric, label and value."""

    @classmethod
    def of(cls, expression: str) -> "Query":
        """Parse; raises ``ValueError`` for what is no PromQL."""
        query = cls()
        promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "1m")), query._visit)
        return query

    def _visit(self, node: Any) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            self.metrics.add(node.name)
            self.matched |= {(node.name, m.name, m.value) for m in node.matchers.matchers}
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            self.labels |= set(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
            self.labels |= set(node.modifier.matching.labels)


def expressions(dashboard: dict[str, Any], alerts: dict[str, Any]) -> dict[str, str]:
    """Every expression, by where it stands."""
    panels = {
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }
    rules = {f"alert {rule['alert']}": rule["expr"] for group in alerts["groups"] for rule in group["rules"]}
    return panels | rules


def read_exported(page: str) -> Exported:
    """Read a page of metrics."""
    found: Exported = {}
    for sample in SAMPLE.finditer(page):
        labels = found.setdefault(sample["name"], {})
        for name, value in LABEL.findall(sample["labels"] or ""):
            labels.setdefault(name, set()).add(value)
    return found
