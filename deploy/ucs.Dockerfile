# The image with the extra `ucs` (SQLAlchemy, and the driver of PostgreSQL), from that of deploy/Dockerfile:
#   docker build -f deploy/ucs.Dockerfile --build-arg IMAGE=chatbridge -t chatbridge-ucs .
# Name the same base as there with --build-arg BASE=...
ARG BASE=python:3.11-slim
ARG IMAGE=chatbridge

FROM ${BASE} AS packages
COPY requirements-dev.lock /build/
# Those of the lock that the other image does not have.
RUN python -m venv /build/pip \
 && awk '/^[a-z]/ {wanted = /^(greenlet|psycopg|psycopg-binary|sqlalchemy)==/} wanted' /build/requirements-dev.lock >/build/ucs.lock \
 && /build/pip/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary=:all: --no-deps \
      --target /build/packages -r /build/ucs.lock \
 && rm -rf /build/packages/include \
 && python -m compileall -q /build/packages

FROM ${IMAGE}
COPY --from=packages /build/packages /opt/chatbridge/lib/ucs
ENV PYTHONPATH=/opt/chatbridge/lib/ucs
