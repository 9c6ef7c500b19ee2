"""Traces: the W3C header, the trace a piece of code works for, and OpenTelemetry's spans where an endpoint is set.

Owns the one tracer of a process. Refuses to know what is traced: each edge of the house names its own spans (requests,
publishing, runs, calls of a model). Never a payload, a query or a key in a span. Without an endpoint nothing of
OpenTelemetry is loaded from here, and what is left is a header that is passed on.

    traceparent ── current ── spans (the API) ── sdk (provider, exporter)
                      └────── exporting: on or off, and the end
"""
