"""A small JSON Schema validator: the keywords our schemas use, and an error for any other.

Stricter than the standard in one way: where properties are listed, no others may be there.
"""

from typing import Any

_SAYS = {"title", "description", "$schema", "$id", "$defs", "default", "format"}
_TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
    "number": (int, float),
}  # fmt: skip


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])  # type: ignore[arg-type]


class Validator:
    """Checks values against one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def errors(self, value: Any) -> list[str]:
        """Return what is wrong with a value, each with the path to it."""
        return list(self._check(value, self.document, "$", strict=True))

    def _at(self, ref: str) -> dict[str, Any]:
        found: Any = self.document
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
        return found  # type: ignore[no-any-return]

    def _check(self, value: Any, schema: dict[str, Any], path: str, *, strict: bool) -> list[str]:
        out: list[str] = []
        for keyword, rule in schema.items():
            if keyword in _SAYS:
                continue
            check = getattr(self, "_" + keyword.strip("$").lower(), None)
            if check is None:
                raise NotImplementedError(keyword)
            out += check(value, rule, path, schema, strict)
        return out

    def _ref(self, value: Any, rule: str, path: str, _s: Any, strict: bool) -> list[str]:
        return self._check(value, self._at(rule), path, strict=strict)

    def _type(self, value: Any, rule: Any, path: str, _s: Any, _x: bool) -> list[str]:
        names = [rule] if isinstance(rule, str) else rule
        return (
            [] if any(_is(value, name) for name in names) else [f"{path}: {value!r} is no {rule}"]
        )

    def _enum(self, value: Any, rule: list[Any], path: str, _s: Any, _x: bool) -> list[str]:
        return [] if value in rule else [f"{path}: {value!r} is none of {rule}"]

    def _const(self, value: Any, rule: Any, path: str, _s: Any, _x: bool) -> list[str]:
        return [] if value == rule else [f"{path}: {value!r} is not {rule!r}"]

    def _anyof(self, value: Any, rule: list[Any], path: str, _s: Any, strict: bool) -> list[str]:
        found = [self._check(value, one, path, strict=strict) for one in rule]
        return [] if any(not one for one in found) else [f"{path}: fits none: {found}"]

    def _allof(self, value: Any, rule: list[Any], path: str, _s: Any, strict: bool) -> list[str]:
        return [e for one in rule for e in self._check(value, one, path, strict=strict)]

    def _properties(self, value: Any, rule: Any, path: str, schema: Any, strict: bool) -> list[str]:
        if not isinstance(value, dict):
            return []
        out = [] if "allOf" in schema or not strict else [
            f"{path}: {name} is not in the schema" for name in value if name not in rule
        ]  # fmt: skip
        for name, one in rule.items():
            if name in value:
                out += self._check(value[name], one, f"{path}.{name}", strict=strict)
        return out

    def _required(self, value: Any, rule: list[str], path: str, _s: Any, _x: bool) -> list[str]:
        return [
            f"{path}: no {name}" for name in rule if isinstance(value, dict) and name not in value
        ]

    def _additionalproperties(
        self, value: Any, rule: Any, path: str, schema: Any, strict: bool
    ) -> list[str]:
        if not isinstance(value, dict):
            return []
        others = [name for name in value if name not in schema.get("properties", {})]
        if rule is False:
            return [f"{path}: {name} is one too many" for name in others]
        return [
            e for n in others for e in self._check(value[n], rule, f"{path}.{n}", strict=strict)
        ]

    def _items(self, value: Any, rule: Any, path: str, _s: Any, strict: bool) -> list[str]:
        if not isinstance(value, list) or rule is False:
            return []
        return [
            e
            for k, one in enumerate(value)
            for e in self._check(one, rule, f"{path}[{k}]", strict=strict)
        ]
