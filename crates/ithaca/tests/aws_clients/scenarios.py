"""The calls of scenarios.json, for a client to make. What a client is, is a function: (operation, input) -> (answer, error's name)."""

import json
import pathlib
import re
import time

SECONDS_MAX = 60


def play(prefix, call):
    """Makes all calls and holds the answers against the table."""
    table = json.loads(pathlib.Path(__file__).with_name("scenarios.json").read_text())
    known = table["given"] | {"prefix": prefix}
    for number, step in enumerate(table["steps"]):
        operation, given = step["call"], filled(step["with"], known)
        where = f"step {number}, {operation} {given}"
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            answer, error = call(operation, given)
            assert error == step.get("error"), f"{where}: {error} is not {step.get('error')}: {answer}"
            if error or holds(answer, filled(step.get("until", {}), known)):
                break
            assert time.monotonic() < deadline, f"{where}: {answer} does not become {step['until']}"
            time.sleep(0.02)
        expect = filled(step.get("expect", {}), known)
        assert error or holds(answer, expect), f"{where}: {answer} has not {expect}"
        known |= {name: at(answer, path) for name, path in step.get("keep", {}).items()}


def filled(value, known):
    """The value with `${name}` and `{"$json": value}` replaced."""
    match value:
        case str():
            return re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], value)
        case {"$json": inner}:
            return json.dumps(filled(inner, known))
        case dict():
            return {key: filled(inner, known) for key, inner in value.items()}
        case list():
            return [filled(inner, known) for inner in value]
    return value


def holds(found, expect):
    """Has `found` all that `expect` has? Lists are of the same length."""
    match expect:
        case dict():
            return isinstance(found, dict) and all(key in found and holds(found[key], inner) for key, inner in expect.items())
        case list():
            return isinstance(found, list) and len(found) == len(expect) and all(map(holds, found, expect))
    return found == expect


def at(answer, path):
    for part in path.split("."):
        answer = answer[int(part)] if part.isdigit() else answer[part]
    return answer
