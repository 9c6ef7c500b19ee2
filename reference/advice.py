"""When each code of a problem comes, and what to do about it. A test holds this to the codes that are in force."""

from __future__ import annotations

MALFORMED = "Send what the detail asks for; the same request will fail again."
AGAIN = "Repeat the request after `Retry-After`, a submit under the same `Idempotency-Key`."

ADVICE = {
    "malformed_json": (
        "The body is no JSON as RFC 8259 has it: such as a key twice, NaN, a BOM, or not UTF-8.",
        MALFORMED,
    ),
    "bad_request": ("The request is malformed in another way, or no HTTP.", MALFORMED),
    "invalid_cursor": ("`cursor` is none that this service gave, or was edited.", "Start again from the first page."),
    "invalid_event_id": (
        "`Last-Event-ID` or `starting_after` is no id of an event.",
        "Send the id as it came, or none.",
    ),
    "invalid_idempotency_key": ("`Idempotency-Key` is empty, too long, or not printable ASCII.", MALFORMED),
    "unauthorized": (
        "There is no API key, or it is wrong, revoked or has ended.",
        "Send `Authorization: Bearer trk_<id>.<secret>` with a valid one.",
    ),
    "forbidden": (
        "The key lacks the scope that the route takes, or its tenant is not `default`.",
        "Use a key that has it: `taskrunner keys create`.",
    ),
    "csrf_refused": (
        "A dashboard session sent a changing request without its CSRF token.",
        "Reload the page. Programs use a key, not a session.",
    ),
    "anonymous_not_allowed": (
        "No key exists, and the request is not from and to loopback.",
        "Set `TASKRUNNER_BOOTSTRAP_KEY`, and send it.",
    ),
    "not_found": (
        "There is nothing with this id or at this path, or it belongs to another tenant.",
        "Check the id; what retention removed is gone.",
    ),
    "file_missing": ("There is no such file, or it belongs to another tenant.", "Upload it again."),
    "method_not_allowed": ("The path does not take this method.", "Use one that `Allow` names."),
    "request_timeout": (
        "Its head, or its body, came too slowly.",
        "Repeat it over a better line; see [security](../security.md#clients-that-take-their-time).",
    ),
    "conflict": (
        "The state forbids it: a final task is cancelled, a running one retried, a name is taken.",
        "Read it again, then decide.",
    ),
    "idempotency_in_flight": (
        "The first request with this `Idempotency-Key` is still running.",
        "Repeat it after `Retry-After`: you get its answer.",
    ),
    "payload_too_large": ("The body is over the limit of the route.", "Upload large input as a file; split a batch."),
    "file_too_large": ("An upload is over `TASKRUNNER_MAX_UPLOAD_MB`.", "Send less, or raise the limit."),
    "uri_too_long": ("The URL is over 8 KiB.", "Use fewer filters, or a bulk route with a body."),
    "unsupported_media_type": (
        "The body is not of the type that the route takes, or is content-encoded.",
        "Send `Content-Type: application/json`, uncompressed.",
    ),
    "validation_error": ("The request is JSON, but not a valid request; `errors` names each place.", MALFORMED),
    "unknown_task_type": (
        "No module of this API defines the type.",
        "See `GET /api/v1/task-types`; own types need `TASKRUNNER_TASK_MODULES`.",
    ),
    "not_available": (
        "The feature is not built, or not set up: the detail says which.",
        "Set what the detail names, or leave the field out.",
    ),
    "idempotency_key_reused": (
        "This `Idempotency-Key` came with another body before.",
        "Use a new key for a new request.",
    ),
    "rate_limited": ("The key asks more often than `TASKRUNNER_RATE_LIMIT` allows.", "Go on after `Retry-After`."),
    "too_many_streams": (
        "The key, or the process, has too many event streams open.",
        "Close some, or go on after `Retry-After`.",
    ),
    "headers_too_large": ("All header fields together are over 16 KiB.", "Send fewer."),
    "internal_error": ("The service has a fault.", "Give `request_id` to whoever reads the logs."),
    "store_unavailable": ("PostgreSQL cannot be reached, or has no connection free.", AGAIN),
    "storage-full": ("The disk of PostgreSQL, or that for files, is full. Reads go on.", f"Make room. {AGAIN}"),
    "unstorable": ("PostgreSQL cannot hold a value, such as a number beyond its column.", MALFORMED),
}
"""When a code comes, and what to do about it."""
