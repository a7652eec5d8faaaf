"""The checks of scripts/helm-check."""

import argparse
import copy
import difflib
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

try:
    import helm_python as helm
except ImportError:
    sys.exit("helm: NOT CHECKED, there is no package of the engine for this kind of machine")

CHART = Path("helm/peshub")
CASES = Path("helm/cases")
GOLDEN = Path("helm/golden")
REFUSED = Path("helm/refused.yaml")
RELEASE, NAMESPACE = "peshub", "exchange"
KUBERNETES_OLDEST, KUBERNETES_NEWEST = "1.30", "1.37"

MONITORING = "monitoring.coreos.com/v1"
# Any name.
ANY = "*"
TEXTS = {ANY: str}
RULE = {"alert": str, "record": str, "expr": str, "for": str, "keep_firing_for": str, "labels": TEXTS, "annotations": TEXTS}
SHAPES = {
    "ServiceMonitor": {
        "selector": {"matchLabels": TEXTS},
        "endpoints": [{"port": str, "path": str, "interval": str}],
    },
    "PrometheusRule": {"groups": [{"name": str, "interval": str, "rules": [RULE]}]},
}

faults: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true", help="write the golden renders anew")
    update = parser.parse_args().update
    check_versions()
    with helm.Chart.load(CHART) as chart:
        check_schema_is_strict(chart.schema, "values")
        check_values_are_in_the_schema(chart.values, chart.schema, "values")
        for path in sorted(CASES.glob("*.yaml")):
            check_case(chart, path, update)
        check_refusals(chart)
    check_mount_points()
    goldens = {path.name for path in GOLDEN.glob("*.yaml")}
    for stale in sorted(goldens - {path.name for path in CASES.glob("*.yaml")}):
        faults.append(f"{GOLDEN}/{stale} has no case")
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        sys.exit(f"helm: {len(faults)} faults")
    print(f"helm: {len(goldens)} cases right, engine {helm.helm_sdk_version()}")


def check_versions() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    hub = tomllib.loads(Path("Cargo.toml").read_text())["package"]["version"]
    if chart["appVersion"] != hub:
        faults.append(f"Chart.yaml is for version {chart['appVersion']} of the hub, which is {hub}")


def check_schema_is_strict(schema: dict, path: str) -> None:
    """Every object with named values allows no others."""
    if "properties" in schema and schema.get("additionalProperties") is not False:
        faults.append(f"the schema of {path} allows values that it does not name")
    for key in ("properties", "definitions"):
        for name, inner in schema.get(key, {}).items():
            check_schema_is_strict(inner, f"{path}.{name}")
    if "items" in schema:
        check_schema_is_strict(schema["items"], f"{path}[]")


def check_values_are_in_the_schema(values: dict, schema: dict, path: str) -> None:
    """Every value of the schema has a default or is required, so that values.yaml tells of it."""
    required = set(schema.get("required", []))
    for name, inner in schema.get("properties", {}).items():
        if name in values and isinstance(values[name], dict):
            check_values_are_in_the_schema(values[name], inner, f"{path}.{name}")
        elif name not in values and name not in required and name != "global":
            faults.append(f"{path}.{name} is in the schema and not in values.yaml")


def check_case(chart: helm.Chart, path: Path, update: bool) -> None:
    values = yaml.safe_load(path.read_text())
    report = helm.lint(CHART, values, strict=True, namespace=NAMESPACE, kube_version=f"v{KUBERNETES_OLDEST}.0")
    faults.extend(f"{path}: lint: {message['error']}" for message in report["messages"] if message["severity"] > 1)
    faults.extend(f"{path}: lint: {error}" for error in report["errors"])

    rendered = chart.render(values, name=RELEASE, namespace=NAMESPACE, is_install=True)
    parts = []
    for template, text in sorted(rendered.items()):
        if not text.strip() or Path(template).name.startswith("_"):
            continue
        parts.append(f"# {template}\n{text.strip()}\n")
        if template.endswith(".yaml"):
            check_objects(path, text)
    check_golden(GOLDEN / path.name, "---\n".join(parts), update)


def check_objects(path: Path, text: str) -> None:
    for document in yaml.load_all(text, StrictLoader):
        if document["apiVersion"] == MONITORING:
            check_shape(f"{path}: {document['kind']}", document["spec"], SHAPES[document["kind"]])
            continue
        for version in (KUBERNETES_OLDEST, KUBERNETES_NEWEST):
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(str(step) for step in error.path)
                faults.append(f"{path}: {document['kind']}: {where}: {error.message} (Kubernetes {version})")


def check_shape(path: str, value: object, shape: object) -> None:
    """Holds a custom object against what its definition knows of it: `kubernetes_validate` has no custom ones."""
    if isinstance(shape, dict) and isinstance(value, dict):
        for name in value.keys() - shape.keys() - {ANY}:
            if ANY not in shape:
                faults.append(f"{path}.{name} is not known")
        for name, inner in value.items():
            check_shape(f"{path}.{name}", inner, shape.get(name, shape.get(ANY)))
    elif isinstance(shape, list) and isinstance(value, list) and value:
        for inner in value:
            check_shape(f"{path}[]", inner, shape[0])
    elif shape is not None and (not isinstance(shape, type) or not isinstance(value, shape)):
        faults.append(f"{path} is {value!r}")


def check_mount_points() -> None:
    """Alerts and dashboards that lie in the chart are rendered as they are, braces and all."""
    alert = {"alert": "Sample", "expr": "up == 0", "for": "5m", "labels": {"severity": "page"}}
    alert["annotations"] = {"summary": "{{ $labels.pod }} is down"}
    rules = {"groups": [{"name": "sample", "rules": [alert]}]}
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / CHART.name
        shutil.copytree(CHART, copied)
        (copied / "alerts.yaml").write_text(yaml.safe_dump(rules))
        (copied / "dashboards").mkdir(exist_ok=True)
        (copied / "dashboards/sample.json").write_text('{"title": "Sample {{ instance }}"}\n')
        with helm.Chart.load(copied) as chart:
            values = yaml.safe_load((CASES / "everything.yaml").read_text())
            rendered = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    for template, found in (
        ("prometheusrule", lambda it: it["spec"] == rules),
        ("dashboards", lambda it: it["data"]["sample.json"] == '{"title": "Sample {{ instance }}"}'),
    ):
        text = rendered[f"{CHART.name}/templates/{template}.yaml"]
        check_objects(Path(template), text)
        if not found(yaml.safe_load(text)):
            faults.append(f"{template}.yaml does not render what lies in the chart: {text}")
    before = len(faults)
    check_shape("planted", {"endpoints": [{"port": 7480, "pathh": "/metrics"}]}, SHAPES["ServiceMonitor"])
    if len(faults) != before + 2:
        sys.exit("helm: the check of custom objects finds nothing")
    del faults[before:]


def check_golden(golden: Path, text: str, update: bool) -> None:
    before = golden.read_text() if golden.exists() else ""
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    elif before != text:
        lines = difflib.unified_diff(before.splitlines(), text.splitlines(), str(golden), "rendered", lineterm="")
        faults.append("\n".join(lines))
        faults.append(f"{golden} differs; if it should: scripts/helm-check --update")


def check_refusals(chart: helm.Chart) -> None:
    minimal = yaml.safe_load((CASES / "minimal.yaml").read_text())
    for refused in yaml.safe_load(REFUSED.read_text()):
        values = merged(minimal, refused["values"])
        try:
            chart.render(values, name=RELEASE, namespace=NAMESPACE)
            faults.append(f"{REFUSED}: not refused: {refused['values']}")
        except helm.HelmError as error:
            if refused["reason"] not in str(error):
                faults.append(f"{REFUSED}: {refused['values']} is refused for another reason: {error}")


def merged(below: dict, above: dict) -> dict:
    """Puts values on top of others; None takes one away."""
    out = copy.deepcopy(below)
    for name, value in above.items():
        if value is None:
            out.pop(name, None)
        elif isinstance(value, dict):
            out[name] = merged(out.get(name, {}), value)
        else:
            out[name] = value
    return out


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that comes twice, of which YAML readers keep one."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep) for key, _ in node.value]
        for key in {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


if __name__ == "__main__":
    main()
