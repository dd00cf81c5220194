"""The alarms and the dashboard ask for what the command writes, and the dashboard shows all of it."""

import pytest

from tests.monitoring import queries
from tests.monitoring.metrics import written

GIVEN = {"instance", "job"}
"""Labels that Prometheus itself gives to each series."""
QUERIES = [*queries.of_dashboard(), *(rule["expr"] for rule in queries.rules())]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``monitor`` and ``issued`` write."""
    return written(tmp_path_factory.mktemp("metrics"))


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_is_written(metrics: str, query: str) -> None:
    """Each metric in it is one that the command writes, with the labels and values that it has there."""
    held = queries.series(metrics)
    asked = list(queries.selectors(query))
    assert asked
    for selector in asked:
        assert selector.metric in held
        pairs = {pair for labels in held[selector.metric] for pair in labels}
        assert selector.labels <= GIVEN | {label for label, _ in pairs}
        assert selector.values <= pairs


def test_the_dashboard_shows_every_metric(metrics: str) -> None:
    """None is written for nothing."""
    shown = {selector.metric for query in queries.of_dashboard() for selector in queries.selectors(query)}
    assert shown == queries.series(metrics).keys()


def test_each_metric_says_what_it_is(metrics: str) -> None:
    """By a line of help and one of its type."""
    for word in ("HELP", "TYPE"):
        said = {line.split()[2] for line in metrics.splitlines() if line.startswith(f"# {word} ")}
        assert said == queries.series(metrics).keys()


def test_the_panels_lie_side_by_side() -> None:
    """Each has a number of its own, and no two share a place on Grafana's grid of 24 columns."""
    panels = queries.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def test_a_wrong_query_is_seen() -> None:
    """What the first test looks at."""
    (found,) = queries.selectors('sum by (state) (certbot_dns_delegate_names{state!="ok", host=~"a.*"}) > 0')
    assert found.metric == "certbot_dns_delegate_names"
    assert found.labels == {"state", "host"}
    assert found.values == {("state", "ok")}


def test_each_alarm_says_what_is_wrong() -> None:
    """In one line."""
    assert [rule["alert"] for rule in queries.rules() if not rule.get("annotations", {}).get("summary")] == []
