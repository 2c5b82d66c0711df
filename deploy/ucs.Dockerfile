# The image with the extra `ucs` (SQLAlchemy, and the driver of PostgreSQL), from that of deploy/Dockerfile:
#   docker build -f deploy/ucs.Dockerfile --build-arg IMAGE=chatbridge -t chatbridge-ucs .
# Name the same base as there with --build-arg BASE=...
ARG BASE=python:3.11-slim
ARG IMAGE=chatbridge

FROM ${BASE} AS packages
COPY requirements-dev.lock /build/
# typing_extensions is in the image.
RUN python -m venv /build/pip \
 && /build/pip/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary=:all: --target /build/packages \
      -c /build/requirements-dev.lock SQLAlchemy 'psycopg[binary]' \
 && rm -rf /build/packages/typing_extensions* /build/packages/include \
 && python -m compileall -q /build/packages

FROM ${IMAGE}
COPY --from=packages /build/packages /opt/chatbridge/lib/ucs
ENV PYTHONPATH=/opt/chatbridge/lib/ucs
