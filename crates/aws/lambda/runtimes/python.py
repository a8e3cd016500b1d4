"""The client of the Runtime API for Python functions: finds the handler, asks for work, answers.

It is what AWS's managed runtime is to a function there: errors have AWS's form (errorMessage, errorType, requestId, stackTrace), the context has
the time that is left, and what the root logger writes carries level, time and request. It runs with whatever interpreter the machine has, from 3.8 on, so it is
one file that needs the standard library only.

It does not know Ithaca: everything comes by the environment, as on AWS.
"""

import decimal
import importlib
import io
import http.client
import json
import logging
import os
import sys
import time
import traceback

BASE = "/2018-06-01/runtime"
ROOT = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())


# --- The Runtime API


class RuntimeApi:
    """One connection, kept: a process has one invocation at a time."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def request(self, method, path, body=None, headers=None):
        self.connection.request(method, BASE + path, body, headers or {})
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def post(self, path, text, headers=None):
        headers = {"Content-Type": "application/json", **(headers or {})}
        status, _, body = self.request("POST", path, text.encode("utf-8"), headers)
        # An answer that is too large is the function's error; the host has told who asked.
        if status >= 400 and status != 413:
            raise RuntimeError(f"The Runtime API refused {path}: {status} {body[:200]!r}")

    def post_error(self, path, shape):
        kind = str(shape["errorType"]).encode("ascii", "replace").decode()
        self.post(path, to_json(shape), {"Lambda-Runtime-Function-Error-Type": kind})


def to_json(value):
    return json.dumps(value, default=_as_number, ensure_ascii=False)


def _as_number(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {value.__class__.__name__} is not JSON serializable")


def error_shape(message, kind, frames, request_id):
    trace = [f'  File "{f.filename}", line {f.lineno}, in {f.name}\n    {f.line or ""}\n' for f in frames]
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def shape_of(error, request_id):
    frames = traceback.extract_tb(error.__traceback__)
    # The first frames are ours and the import system's.
    own = [f for f in frames if f.filename != __file__ and "importlib" not in f.filename]
    kind = getattr(error, "runtime_type", None) or type(error).__name__
    return error_shape(str(error), kind, own, request_id)


class Named(Exception):
    """An error of AWS's runtime, by its name."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.runtime_type = kind


def print_error(shape):
    lines = ["[ERROR]"]
    lines.append(f"{shape['errorType']}: {shape['errorMessage']}" if shape["errorType"] else shape["errorMessage"])
    lines += ["Traceback (most recent call last):", *shape["stackTrace"]] if shape["stackTrace"] else []
    sys.stdout.write(" ".join(lines[:2]) + "\r" + "\r".join(line.replace("\n", "\r") for line in lines[2:]) + "\n")
    sys.stdout.flush()


# --- The log


class Handler(logging.Handler):
    """What AWS puts on the root logger: level, time, request, message."""

    request_id = ""

    def emit(self, record):
        sys.stdout.write(self.format(record).replace("\n", "\r") + "\n")
        sys.stdout.flush()

    def format(self, record):
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = super().format(record)
        return f"[{record.levelname}]\t{at}.{int(record.msecs):03d}Z\t{self.request_id}\t{text}"


def set_up_logging():
    handler = Handler()
    logging.getLogger().addHandler(handler)
    # print() goes line by line: the host reads a pipe.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, encoding="utf-8")
        sys.stderr.reconfigure(line_buffering=True, encoding="utf-8")
    return handler


# --- AWS's SDK


def point_old_sdk_here():
    """botocore reads AWS_ENDPOINT_URL since 1.31; an older one is told when it makes a client."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return

    class Finder:
        """Acts when the module is first imported, and costs nothing if it never is."""

        def find_spec(self, name, path=None, target=None):
            if name != "botocore.session":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            if spec is None or spec.loader is None:
                return spec
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                patch(module)

            spec.loader.exec_module = exec_module
            return spec

    def patch(module):
        version = importlib.import_module("botocore").__version__.split(".")
        if tuple(int(part) for part in version[:2]) >= (1, 31):
            return
        create = module.Session.create_client

        def create_client(self, service_name, *args, **named):
            if len(args) < 5:
                named.setdefault("endpoint_url", endpoint)
            return create(self, service_name, *args, **named)

        module.Session.create_client = create_client

    import importlib.util

    sys.meta_path.insert(0, Finder())


# --- The handler


def find_handler(text):
    module_name, dot, name = text.rpartition(".")
    if not dot:
        raise Named("Runtime.MalformedHandlerName", f"Bad handler '{text}': not enough values to unpack (expected 2, got 1)")
    module_name = module_name.replace("/", ".").lstrip(".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Named("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name)
    except SyntaxError as error:
        text = f"Syntax error in module '{module_name}': {error}"
        raise Named("Runtime.UserCodeSyntaxError", text).with_traceback(error.__traceback__) from error
    except ImportError as error:
        text = f"Unable to import module '{module_name}': {error}{advice(error)}"
        raise Named("Runtime.ImportModuleError", text) from error
    handler = getattr(module, name, None)
    if handler is None:
        raise Named("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'")
    return handler


def advice(error):
    package = (error.name or "").split(".")[0]
    if package not in ("boto3", "botocore"):
        return ""
    return (
        f". On AWS the runtime brings it along; here install it for this interpreter ('{sys.executable} -m pip install {package}') "
        f"or beside the function ('pip install {package} --target' its folder)"
    )


class CognitoIdentity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = json.loads(client) if client else None
        self.identity = CognitoIdentity()
        self._deadline_ms = int(headers.get("Lambda-Runtime-Deadline-Ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ", ".join(f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"LambdaContext([{shown}])"


# --- The loop


def main():
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    log = set_up_logging()
    sys.path.insert(0, ROOT)
    point_old_sdk_here()
    try:
        handler = find_handler(os.environ["_HANDLER"])
    except BaseException as error:  # also what leaves by sys.exit(): the function cannot be started
        shape = shape_of(error, "")
        print_error(shape)
        api.post_error("/init/error", shape)
        sys.exit(1)
    while True:
        serve_one(api, log, handler)


def serve_one(api, log, handler):
    _, headers, body = api.request("GET", "/invocation/next")
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    log.request_id = request_id
    trace = headers.get("Lambda-Runtime-Trace-Id")
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        answer = handler(json.loads(body), Context(headers))
        text = marshalled(answer)
    except SystemExit:
        # The function ends its own process: the host sees it.
        raise
    except BaseException as error:
        shape = shape_of(error, request_id)
        print_error(shape)
        api.post_error(f"/invocation/{request_id}/error", shape)
    else:
        api.post(f"/invocation/{request_id}/response", text)


def marshalled(answer):
    try:
        return to_json(answer)
    except (TypeError, ValueError) as error:
        raise Named("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


main()
