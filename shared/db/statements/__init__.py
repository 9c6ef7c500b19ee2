"""One module per noun; each function is one statement. All carry the tenant, but those a worker's lease guards.

Due checks use ``now()``, not ``clock_timestamp()``: a volatile function in WHERE cannot use an index
(measured 70 ms against 0.45). Guarded updates return what they changed; zero rows is an answer.
"""
